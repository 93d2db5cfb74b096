"""Doing at the broker by hand what workers and web processes do there."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.faults.parts import Broker
from tests.guest import WAIT


def at(broker: Broker, do: Callable[[Client], Awaitable[Any]]) -> Any:
    """Do something at the broker."""

    async def connected() -> Any:
        client = await nats.connect(f"nats://127.0.0.1:{broker.port}")
        try:
            return await asyncio.wait_for(do(client), WAIT)
        finally:
            await client.close()

    return asyncio.run(connected())


def publish(broker: Broker, subject: str, content: Any) -> None:
    """Put a message on a stream: bytes as they are, anything else as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    at(broker, lambda client: client.jetstream().publish(subject, data))


def take(broker: Broker, settle: Callable[[Msg], Awaitable[Any]]) -> dict[str, Any]:
    """Take the next job off lane `ml`, as a worker does, and settle it."""

    async def work(client: Client) -> dict[str, Any]:
        (message,) = await (await lane(client)).fetch(1, timeout=WAIT)
        await settle(message)
        await client.flush()
        return dict(json.loads(message.data))

    return dict(at(broker, work))


async def lane(client: Client) -> Any:
    """The durable consumer of lane `ml`."""
    return await client.jetstream().pull_subscribe_bind(stream="JOBS", consumer="ml")


def ack(message: Msg) -> Awaitable[Any]:
    """Settle a job as done."""
    return message.ack_sync(timeout=WAIT)


def result(job: str, **values: Any) -> dict[str, Any]:
    """A final result as a worker publishes it."""
    return {"job": job, "attempt": 1, "run": secrets.token_hex(4), "state": "succeeded", "result": {}, **values}


def results(broker: Broker, count: int) -> list[dict[str, Any]]:
    """Take so many results off the stream, those of runs that go on left out."""

    async def read(client: Client) -> list[dict[str, Any]]:
        consumer = await client.jetstream().pull_subscribe_bind(stream="RESULTS", consumer="chat")
        found: list[dict[str, Any]] = []
        while len(found) < count:
            (message,) = await consumer.fetch(1, timeout=WAIT)
            content = json.loads(message.data)
            found += [each for each in (content if isinstance(content, list) else [content])
                      if each["state"] != "running"]  # fmt: skip
            await message.ack_sync(timeout=WAIT)
        return found

    return list(at(broker, read))


def lane_figure(broker: Broker, name: str) -> int:
    """What the broker says of lane `ml`: `num_redelivered`, `num_ack_pending`, `num_pending`."""

    async def read(client: Client) -> int:
        return int(getattr(await client.jetstream().consumer_info("JOBS", "ml"), name))

    return int(at(broker, read))
