"""The path `auto`: simple until it is busy, then the queue until it has calmed down."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

STAY = 10.0  # seconds on the queue at least (design.md, part 2)


class Load(Protocol):
    """How busy the simple path is."""

    limit: int

    def inflight(self) -> int:
        """Jobs running or about to."""


class Auto:
    """Chooses for every task that is on auto; one choice for the whole process."""

    def __init__(self, simple: Load, queue_there: Callable[[], bool]) -> None:
        self._simple, self._queue_there = simple, queue_there
        self._since: float | None = None  # when it turned to the queue

    def choose(self) -> str:
        """Queued from when MAX_INFLIGHT is reached, for at least 10 s and until less than half of it is in use.

        While the broker is away there is only simple.
        """
        busy = self._simple.inflight()
        now = time.monotonic()
        if busy >= self._simple.limit:
            self._since = self._since or now
        elif self._since is not None and now - self._since >= STAY and busy < self._simple.limit / 2:
            self._since = None
        return "queued" if self._since is not None and self._queue_there() else "simple"
