"""Readings for the record: taken again and again, for nobody tells when a backlog grows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from app.live.record import Record
from app.store.store import StoreUnavailable

EVERY = 2.0  # seconds between two readings


def watch(
    record: Record,
    gauges: Callable[[], Mapping[str, float | None]],
    under_way: Callable[[], Iterable[tuple[str, str, int]]],
) -> None:
    """Take readings for as long as the process lives."""
    while True:
        try:
            jobs = under_way()
        except StoreUnavailable:
            jobs = ()  # the other readings do not come from the database
        record.sample(gauges(), jobs)
        time.sleep(EVERY)
