"""Waiting until an attempt is due. The ledger remembers; this only wakes up in time."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from app.jobs.job import Job

# Seconds the clocks may drift apart: corrected at once, what is due at the same instant would lose its order.
JUMP = 0.1


class Clock:
    """Hands over each job when its time has come."""

    def __init__(self, hand_over: Callable[[Job], None]) -> None:
        self._hand_over = hand_over
        self._due: list[tuple[float, int, Job]] = []
        self._numbers = itertools.count()  # heap order among jobs due at the same instant
        self._changed = threading.Event()
        self._apart = 0.0  # what the clock on the wall is ahead of the one that nobody can set
        threading.Thread(target=self._run, daemon=True).start()

    def at(self, due: float, job: Job) -> None:
        """Hand over the job at this time (seconds since 1970), or at once when it has passed."""
        heapq.heappush(self._due, (self._unsettable(due), next(self._numbers), job))
        self._changed.set()

    def _unsettable(self, due: float) -> float:
        """The same moment on a clock that does not jump: an hour set back must not make a second into an hour."""
        apart = time.time() - time.monotonic()
        if abs(apart - self._apart) > JUMP:
            self._apart = apart
        return due - self._apart

    def _run(self) -> None:
        while True:
            wait = self._due[0][0] - time.monotonic() if self._due else None
            if wait is None or wait > 0:
                self._changed.wait(wait)
                self._changed.clear()
                continue
            self._hand_over(heapq.heappop(self._due)[2])
