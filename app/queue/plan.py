"""`streams plan|apply`: what the broker has, held against what Spillway needs, and making the difference go away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import nats
import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from app.queue.dialling import QueueUnavailable, identity
from app.queue.names import Names
from app.queue.streams import wanted_consumers, wanted_streams
from app.settings import Settings

# What must be as we need it; everything else an operator may set as they like (placement, compression, tags, ...).
STREAM_FIELDS = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "max_msgs",
    "max_bytes",
    "duplicate_window",
    "num_replicas",
)
CONSUMER_FIELDS = ("ack_policy", "ack_wait", "max_deliver", "filter_subject", "max_ack_pending", "max_waiting")
FIXED = ("retention", "storage")  # of a stream; the broker does not change them afterwards


@dataclass
class Step:
    """One difference, and what would be done about it."""

    what: str  # "stream JOBS" or "consumer JOBS/ml"
    action: str  # create, update, or by hand
    difference: str
    do: Callable[[], Any] | None = None


async def plan(settings: Settings, lanes: Iterable[str]) -> list[Step]:
    """Every difference; an empty list when all is as needed. Raises QueueUnavailable."""
    return await _connected(settings, lambda stream: _steps(stream, settings, lanes))


async def apply(settings: Settings, lanes: Iterable[str]) -> list[Step]:
    """Make what is absent, change what can be changed; returns the steps, those to be done by hand included."""

    async def carry_out(stream: JetStreamContext) -> list[Step]:
        steps = await _steps(stream, settings, lanes)
        for step in steps:
            if step.do is not None:
                await step.do()
        return steps

    return await _connected(settings, carry_out)


async def _connected(settings: Settings, use: Callable[[JetStreamContext], Any]) -> list[Step]:
    async def quiet(_: Exception) -> None:
        """The exception below says it."""

    try:
        client = await nats.connect(
            servers=list(settings.nats_url),
            connect_timeout=3,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # at the first connect, too: 60 by default, 2 s apart
            error_cb=quiet,
            **identity(settings),
        )
    except (TimeoutError, nats.errors.Error, OSError) as error:
        raise QueueUnavailable(f"{settings.broker} cannot be reached: {error!r}") from None
    try:
        steps: list[Step] = await use(client.jetstream())
        return steps
    except (APIError, nats.errors.Error) as error:
        raise QueueUnavailable(str(error)) from None
    finally:
        await client.close()


async def _steps(stream: JetStreamContext, settings: Settings, lanes: Iterable[str]) -> list[Step]:
    names = Names(settings.nats_prefix)
    steps = []
    for config in wanted_streams(names, settings):
        steps += await _stream_step(stream, config)
    for of, consumer in wanted_consumers(names, settings, lanes):
        steps += await _consumer_step(stream, of, consumer)
    return steps


async def _stream_step(stream: JetStreamContext, wanted: Any) -> list[Step]:
    what = f"stream {wanted.name}"
    try:
        found = (await stream.stream_info(wanted.name)).config
    except NotFoundError:
        return [Step(what, "create", "absent", lambda: stream.add_stream(wanted))]
    differing = _differing(found, wanted, STREAM_FIELDS)
    if not differing:
        return []
    if any(name in FIXED for name in differing):
        return [Step(what, "by hand", f"{_words(differing)}: the broker cannot change this, make the stream anew")]
    return [Step(what, "update", _words(differing), lambda: stream.update_stream(wanted))]


async def _consumer_step(stream: JetStreamContext, of: str, wanted: Any) -> list[Step]:
    what = f"consumer {of}/{wanted.durable_name}"
    try:
        found = (await stream.consumer_info(of, wanted.durable_name)).config
    except NotFoundError:
        return [Step(what, "create", "absent", lambda: stream.add_consumer(of, wanted))]
    differing = _differing(found, wanted, CONSUMER_FIELDS)
    return [Step(what, "update", _words(differing), lambda: stream.add_consumer(of, wanted))] if differing else []


def _differing(found: Any, wanted: Any, fields: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Field -> (found, wanted) where they differ; what we do not ask for may be anything."""
    pairs = {name: (_plain(getattr(found, name)), _plain(getattr(wanted, name))) for name in fields}
    return {name: pair for name, pair in pairs.items() if pair[1] is not None and pair[0] != pair[1]}


def _plain(value: Any) -> Any:
    value = getattr(value, "value", value)
    return sorted(value) if isinstance(value, list) else value


def _words(differing: dict[str, tuple[Any, Any]]) -> str:
    return ", ".join(f"{name} is {found}, should be {wanted}" for name, (found, wanted) in differing.items())
