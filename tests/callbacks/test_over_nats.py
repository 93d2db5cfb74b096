"""Jobs that come as requests over NATS, and outcomes that go out there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import nats
import pytest
import requests
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests import shapes
from tests.broker import until
from tests.callbacks.conftest import SENDER, Running
from tests.guest import WAIT

BODY = {"key": "k", "args": {"text": "x"}, "delay_s": 3600, "sender": SENDER}


def with_nats(running: Running, work: Callable[[Client], Awaitable[None]]) -> None:
    """Do this with a connection to the broker."""

    assert running.broker is not None

    async def run(url: str) -> None:
        client = await nats.connect(url)
        try:
            await asyncio.wait_for(work(client), WAIT)
        finally:
            await client.close()

    asyncio.run(run(running.broker.url))


async def request(client: Client, running: Running, subject: str, body: Any) -> dict[str, Any]:
    """What is answered."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await client.request(f"{running.prefix}.requests.{subject}", data, timeout=WAIT)
    return dict(json.loads(answer.data))


def test_a_request_is_answered_with_the_ack(running: Running, room: str) -> None:
    async def work(client: Client) -> None:
        ack = await request(client, running, f"{room}.language", BODY)
        msgspec.convert(ack, shapes.Created, strict=True)
        job = ack["job"]
        assert (job["room"], job["task"], job["state"], job["sender"]) == (room, "language", "accepted", SENDER)
        assert await asyncio.to_thread(_shown, running, job["id"]) == job
        again = await request(client, running, f"{room}.language", BODY)
        assert again == {"ok": True, "job": job, "duplicate": True}
        other = await request(client, running, f"{room}.language", {**BODY, "args": {"text": "y"}})
        assert (other["error"]["code"], other["error"]["field"]) == ("conflict", "key")

    with_nats(running, work)


def test_a_rooms_name_may_have_dots(running: Running, room: str) -> None:
    async def work(client: Client) -> None:
        ack = await request(client, running, f"{room}.ward.7.language", BODY)
        assert (ack["job"]["room"], ack["job"]["task"]) == (f"{room}.ward.7", "language")

    with_nats(running, work)


@pytest.mark.parametrize(
    ("subject", "body", "code", "field"),
    [
        ("language", BODY, "bad_request", "room"),
        ("ro$m.language", BODY, "bad_request", "room"),
        ("room.nonsense", BODY, "unknown_task", "task"),
        ("room.language", {**BODY, "sender": None}, "bad_request", "sender"),
        ("room.language", {**BODY, "task": "language"}, "bad_request", "task"),
        ("room.language", {**BODY, "args": {}}, "bad_request", "args.text"),
        ("room.language", {**BODY, "callback": "https://example.org/"}, "bad_request", "callback"),
        ("room.language", b"", "bad_request", None),
        ("room.language", b"\xff\x00", "bad_request", None),
        ("room.language", b"[" * 100_000, "bad_request", None),
    ],
)
def test_what_is_wrong_with_it_is_said(running: Running, subject: str, body: Any, code: str, field: str | None) -> None:
    async def work(client: Client) -> None:
        ack = await request(client, running, subject, body)
        msgspec.convert(ack, shapes.Refusal, strict=True)
        assert (ack["error"]["code"], ack["error"].get("field")) == (code, field)

    with_nats(running, work)


def test_who_listens_on_a_subject_is_told_once(running: Running, room: str) -> None:
    async def work(client: Client) -> None:
        heard: list[Msg] = []

        async def hear(message: Msg) -> None:
            heard.append(message)

        await client.subscribe(f"hooks.{room}.done", cb=hear)
        await client.flush()
        ack = await request(client, running, f"{room}.language", {**BODY, "callback": f"nats:hooks.{room}.done"})
        await asyncio.to_thread(running.end, ack["job"])
        await until(lambda: heard)
        assert json.loads(heard[0].data)["id"] == ack["job"]["id"]
        headers = heard[0].headers or {}
        assert headers["webhook-id"] == f"{ack['job']['id']}.1"
        assert headers["Spillway-Status"] == "cancelled"
        await until(lambda: _counted(running, "taken"))
        assert len(heard) == 1

    with_nats(running, work)


def test_a_stream_keeps_it_until_somebody_reads(running: Running, room: str) -> None:
    async def work(client: Client) -> None:
        stream = client.jetstream()
        name = f"HOOKS_{running.prefix}"
        await stream.add_stream(name=name, subjects=[f"hooks.kept.{room}"])
        job = await asyncio.to_thread(running.ask, room, delay_s=3600, callback=f"nats:hooks.kept.{room}")
        await asyncio.to_thread(running.end, job)

        async def kept() -> bool:
            return bool((await stream.stream_info(name)).state.messages)

        while not await kept():
            await asyncio.sleep(0.02)
        found = await stream.get_last_msg(name, f"hooks.kept.{room}")
        assert json.loads(found.data or b"")["id"] == job["id"]
        await stream.delete_stream(name)

    with_nats(running, work)


def test_where_nobody_listens_it_is_sent_again(running: Running, room: str) -> None:
    async def work(client: Client) -> None:
        before = _counted(running, "failed")
        job = await asyncio.to_thread(running.ask, room, delay_s=3600, callback=f"nats:hooks.{room}.later")
        await asyncio.to_thread(running.end, job)
        await until(lambda: _counted(running, "failed") > before)
        heard: list[Msg] = []

        async def hear(message: Msg) -> None:
            heard.append(message)

        await client.subscribe(f"hooks.{room}.later", cb=hear)
        await until(lambda: heard)
        assert json.loads(heard[0].data)["id"] == job["id"]

    with_nats(running, work)


def _shown(running: Running, job: str) -> Any:
    return requests.get(f"{running.web.url}/api/jobs/{job}", timeout=WAIT).json()


def _counted(running: Running, outcome: str) -> float:
    found = requests.get(f"{running.web.url}/metrics", timeout=WAIT).text
    lines = [line for line in found.splitlines() if line.startswith(f'spillway_callbacks_total{{outcome="{outcome}"')]
    return float(lines[0].split()[-1]) if lines else 0.0
