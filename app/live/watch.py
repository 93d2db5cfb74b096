"""Readings for the record: gauges are sampled, because no event tells when a backlog grows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from app.live.record import Record
from app.store.errors import StoreUnavailable

SAMPLE_SECONDS = 2.0  # between two readings


async def sample(
    record: Record,
    gauges: Callable[[], Mapping[str, float | None]],
    under_way: Callable[[], Awaitable[Iterable[tuple[str, str, int]]]],
) -> None:
    """Take one reading of everything."""
    try:
        jobs = await under_way()
    except StoreUnavailable:
        jobs = ()  # the other readings do not come from the database
    record.sample(gauges(), jobs)
