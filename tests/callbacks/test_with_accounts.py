"""Jobs over NATS where the broker knows who is who: a program has an account of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
import requests
from nats.aio.client import Client

from app.queue import accounts
from app.queue.accounts import configuration, inbox_of
from app.queue.names import Names
from tests.callbacks.conftest import SENDER, Running, settings
from tests.guest import WAIT
from tests.lossless.evidence import ready, until
from tests.lossless.secured import Secured
from tests.web import Web

BODY = {"args": {"text": "x"}, "delay_s": 3600, "sender": SENDER}


class Site(NamedTuple):
    """A web process, and NATS_URL of its account and of a program's."""

    web: Web
    own: str
    program: str


@pytest.fixture
def service(parts: None, tmp_path: Path, data: Path) -> Iterator[Site]:
    """The web process may publish on `hooks.>` only, whatever it is set to."""
    names = Names()
    web, program = accounts.web(names, ["hooks.>"]), accounts.service(names, ["hooks.>", "other.>"])
    broker = Secured(tmp_path, "nats", configuration([web, program]), {})
    place = broker.url.removeprefix("nats://")
    more = {"NATS_URL": web.url(place), "NATS_INTAKE": "1", "NATS_CALLBACKS": "hooks.>,other.>"}
    try:
        with Web(data, **settings(**more)) as running:
            until(lambda: ready(running.url), "it hears requests")
            yield Site(running, web.url(place), program.url(place))
    finally:
        broker.close()


def test_a_program_asks_and_hears_where_its_account_lets_it(service: Site, room: str) -> None:
    web, url = service.web, service.program

    async def ask(client: Client, key: str, callback: str) -> dict[str, Any]:
        body = json.dumps({**BODY, "key": key, "callback": callback}).encode()
        ack = json.loads((await client.request(f"requests.{room}.language", body, timeout=WAIT)).data)
        return dict(ack["job"])

    async def run() -> None:
        client = await nats.connect(url, inbox_prefix=inbox_of("service"))
        heard = await client.subscribe(f"hooks.{room}")
        unheard = await client.subscribe(f"other.{room}")
        allowed, forbidden = await ask(client, "a", f"nats:hooks.{room}"), await ask(client, "b", f"nats:other.{room}")
        for job in (forbidden, allowed):
            await asyncio.to_thread(Running(web).end, job)
        message = await heard.next_msg(timeout=WAIT)
        assert json.loads(message.data)["id"] == allowed["id"]
        await asyncio.to_thread(
            until, lambda: "the broker does not let us publish there" in web.log.read_text(), "told"
        )
        assert unheard.pending_msgs == 0
        await client.close()

    asyncio.run(asyncio.wait_for(run(), WAIT))


def test_an_answer_is_not_put_where_it_would_mean_something(service: Site, room: str) -> None:
    """Whoever asks names the subject of the answer: it must not become a job or a result in our name."""
    web, own, url = service.web, service.own, service.program

    async def run() -> None:
        client = await nats.connect(url, inbox_prefix=inbox_of("service"))
        body = {**BODY, "delay_s": 0, "key": "k"}
        await client.publish(f"requests.{room}.language", json.dumps(body).encode(), reply="results.language")
        await client.publish(f"requests.{room}.language", json.dumps({**body, "key": "l"}).encode())
        await client.flush()
        await client.close()

    asyncio.run(asyncio.wait_for(run(), WAIT))

    def accepted() -> bool:
        found = requests.get(f"{web.url}/api/jobs", params={"room": room}, timeout=WAIT).json()["jobs"]
        return {job["key"] for job in found} == {"k", "l"}

    until(accepted, "both are accepted")

    async def results() -> int:
        client = await nats.connect(own, inbox_prefix=inbox_of("web"))
        found = (await client.jetstream().stream_info("RESULTS")).state.last_seq
        await client.close()
        return found

    assert asyncio.run(asyncio.wait_for(results(), WAIT)) == 0
