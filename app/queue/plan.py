"""`streams plan|apply`: what the broker has, held against what Spillway needs, and making the difference go away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import nats
import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from app.queue.dialling import QueueUnavailable, identity
from app.queue.names import Names, names_of
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
RESULTS_HELD = 1000  # as app/paths/jetstream.py takes them from a stream
REQUESTS_OPEN = 3  # of one who pulls: a new one goes out while half of the last is open
WHY = {"num_replicas": " (REPLICAS): fewer are lost with their server, more need as many servers in the cluster"}
FIXED = ("retention", "storage")  # of a stream; the broker does not change them afterwards


class Needs(NamedTuple):
    """What is to be served: worker processes, jobs at once in each lane of one, and web processes."""

    workers: int = 1
    concurrency: int = 8
    web: int = 1


@dataclass
class Step:
    """One difference, and what would be done about it."""

    what: str  # "stream JOBS" or "consumer JOBS/ml"
    action: str  # create, update, or by hand
    difference: str
    do: Callable[[], Any] | None = None


async def plan(settings: Settings, lanes: Iterable[str], needs: Needs = Needs()) -> list[Step]:  # noqa: B008 - never changed
    """Every difference, of each server; an empty list when all is as needed. Raises QueueUnavailable."""
    return await _of_each(settings, lambda stream: _steps(stream, settings, lanes, needs))


async def apply(settings: Settings, lanes: Iterable[str], needs: Needs = Needs()) -> list[Step]:  # noqa: B008 - likewise
    """Make what is absent, change what can be changed; returns the steps, those to be done by hand included."""

    async def carry_out(stream: JetStreamContext) -> list[Step]:
        steps = await _steps(stream, settings, lanes, needs)
        for step in steps:
            if step.do is not None:
                await step.do()
        return steps

    return await _of_each(settings, carry_out)


async def _of_each(settings: Settings, use: Callable[[JetStreamContext], Any]) -> list[Step]:
    found: list[Step] = []
    for number, urls in enumerate(settings.servers):
        steps = await _connected(replace(settings, nats_url=urls), use)
        several = len(settings.servers) > 1
        found += [replace(step, what=f"server {number}, {step.what}") if several else step for step in steps]
    return found


async def _connected(settings: Settings, use: Callable[[JetStreamContext], Any]) -> list[Step]:
    async def quiet(_: Exception) -> None:
        """The exception below says it."""

    try:
        client = await nats.connect(
            servers=list(settings.servers[0]),
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


async def _steps(stream: JetStreamContext, settings: Settings, lanes: Iterable[str], needs: Needs) -> list[Step]:
    names = names_of(settings)
    steps = []
    for config in wanted_streams(names, settings):
        steps += await _stream_step(stream, config)
    for of, consumer in wanted_consumers(names, settings, lanes):
        steps += await _consumer_step(stream, of, consumer, _least(names, of, needs))
    return steps


def _least(names: Names, stream: str, needs: Needs) -> dict[str, tuple[int, str]]:
    """The numbers of a consumer that must not be smaller, and why."""
    if stream == names.jobs:
        who, at_once = f"{needs.workers} workers", needs.workers * needs.concurrency
        held = f"{who} run {needs.concurrency} jobs each at once, and hold as many to start next"
    else:
        who, at_once = f"{needs.web} web processes", needs.web * RESULTS_HELD
        held = f"{who} hold up to {RESULTS_HELD} results each until they are committed"
    asking = needs.workers if stream == names.jobs else needs.web
    return {
        "max_ack_pending": (at_once * 2 if stream == names.jobs else at_once, held),
        "max_waiting": (asking * REQUESTS_OPEN, f"{who} keep up to {REQUESTS_OPEN} requests open each"),
    }


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


async def _consumer_step(
    stream: JetStreamContext, of: str, wanted: Any, least: dict[str, tuple[int, str]]
) -> list[Step]:
    what = f"consumer {of}/{wanted.durable_name}"
    small = [
        Step(what, "by hand", f"{name.upper()}={getattr(wanted, name)} is too small, {number} is needed: {why}")
        for name, (number, why) in least.items()
        if getattr(wanted, name) < number
    ]
    try:
        found = (await stream.consumer_info(of, wanted.durable_name)).config
    except NotFoundError:
        return [Step(what, "create", "absent", lambda: stream.add_consumer(of, wanted)), *small]
    differing = _differing(found, wanted, CONSUMER_FIELDS)
    if not differing:
        return small
    words = ", ".join([_words(differing), *_too_small(differing, least)])
    return [Step(what, "update", words, lambda: stream.add_consumer(of, wanted)), *small]


def _too_small(differing: dict[str, tuple[Any, Any]], least: dict[str, tuple[int, str]]) -> list[str]:
    return [
        f"and {found} is too small: {least[name][1]}, {least[name][0]} in all"
        for name, (found, _) in differing.items()
        if name in least and 0 <= (found or 0) < least[name][0]
    ]


def _differing(found: Any, wanted: Any, fields: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Field -> (found, wanted) where they differ; what we do not ask for may be anything."""
    pairs = {name: (_plain(getattr(found, name)), _plain(getattr(wanted, name))) for name in fields}
    return {name: pair for name, pair in pairs.items() if pair[1] is not None and pair[0] != pair[1]}


def _plain(value: Any) -> Any:
    value = getattr(value, "value", value)
    return sorted(value) if isinstance(value, list) else value


def _words(differing: dict[str, tuple[Any, Any]]) -> str:
    return ", ".join(
        f"{name} is {found}, should be {wanted}{WHY.get(name, '')}" for name, (found, wanted) in differing.items()
    )
