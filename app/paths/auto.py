"""The path `auto`: simple until it is busy, then the queue until it has calmed down."""

from __future__ import annotations

import time
from typing import Protocol

STAY_SECONDS = 10.0  # on the queue at least


class Load(Protocol):
    """How busy the simple path is."""

    limit: int

    def inflight(self) -> int:
        """Jobs running or about to."""


class Auto:
    """Chooses for every task that is on auto; one choice for the whole process."""

    def __init__(self, simple: Load) -> None:
        self._simple = simple
        self._since: float | None = None  # when it turned to the queue

    def choose(self, queue_is_there: bool) -> str:
        """Queued from when MAX_INFLIGHT is reached, for at least 10 s and until less than half of it is in use.

        While the broker is away there is only simple.
        """
        busy = self._simple.inflight()
        now = time.monotonic()
        if busy >= self._simple.limit:
            self._since = self._since or now
        elif self._since is not None and now - self._since >= STAY_SECONDS and busy < self._simple.limit / 2:
            self._since = None
        return "queued" if self._since is not None and queue_is_there else "simple"
