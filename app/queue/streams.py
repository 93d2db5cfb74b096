"""The streams and consumers Spillway needs, and making them where they are absent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from app.queue.names import DEAD_CONSUMER, Names
from app.settings import Settings

DUPLICATE_WINDOW = 120.0  # seconds
MAX_DELIVER = -1  # without end: runs that began and never ended are counted instead, see app/jobs/transitions.py
RESULT_WAIT = 5.0  # seconds until a result that was not committed, or was lost on its way, comes again


def wanted_streams(names: Names, settings: Settings) -> list[StreamConfig]:
    """The three streams as they should be."""
    work: dict[str, Any] = {
        "retention": RetentionPolicy.WORK_QUEUE,
        "storage": StorageType.FILE,
        "discard": DiscardPolicy.NEW,  # discard old would drop the oldest unstarted job in silence
        "duplicate_window": DUPLICATE_WINDOW,
        "num_replicas": settings.replicas,
    }
    advisories = [
        f"$JS.EVENT.ADVISORY.CONSUMER.{kind}.{stream}.>"
        for kind in ("MAX_DELIVERIES", "MSG_TERMINATED")
        for stream in (names.jobs, names.results)
    ]
    return [
        StreamConfig(
            name=names.jobs,
            subjects=[names.job("*", "*")],
            max_msgs=settings.jobs_max_msgs,
            max_bytes=settings.jobs_max_bytes,
            **work,
        ),
        StreamConfig(name=names.results, subjects=[names.result("*")], **work),
        StreamConfig(
            name=names.dead,
            subjects=[names.undecodable("*"), *advisories],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_msgs=100_000,
            duplicate_window=DUPLICATE_WINDOW,
            num_replicas=settings.replicas,
        ),
    ]


def wanted_consumers(names: Names, settings: Settings, lanes: Iterable[str]) -> list[tuple[str, ConsumerConfig]]:
    """Stream and configuration of each durable pull consumer: one a lane, one for the results, one for the dead."""
    common: dict[str, Any] = {
        "ack_policy": AckPolicy.EXPLICIT,
        "ack_wait": settings.ack_wait,
        "max_ack_pending": settings.max_ack_pending,
        "max_waiting": settings.max_waiting,
        "max_deliver": MAX_DELIVER,
    }
    return [
        *(
            (
                names.jobs,
                ConsumerConfig(durable_name=names.consumer(lane), filter_subject=names.lane(lane), **common),
            )
            for lane in lanes
        ),
        (names.results, ConsumerConfig(durable_name=names.results_consumer, **{**common, "ack_wait": RESULT_WAIT})),
        (names.dead, ConsumerConfig(durable_name=DEAD_CONSUMER, **{**common, "ack_wait": RESULT_WAIT})),
    ]


async def bring_up_to_date(stream: JetStreamContext, names: Names, settings: Settings, lanes: Iterable[str]) -> None:
    """Create what is not there. What is there is left as its operator made it, but for `max_deliver` of our consumers."""
    for config in wanted_streams(names, settings):
        try:
            await stream.stream_info(config.name or "")
        except NotFoundError:
            await stream.add_stream(config)
    for name, consumer in wanted_consumers(names, settings, lanes):
        try:
            found = (await stream.consumer_info(name, consumer.durable_name or "")).config
        except NotFoundError:
            await stream.add_consumer(name, consumer)
            continue
        if found.max_deliver != MAX_DELIVER:  # made before deaths were counted: the broker would give jobs up unseen
            found.max_deliver = MAX_DELIVER
            await stream.add_consumer(name, found)
