"""Waiting until an attempt is due. The ledger remembers; this only wakes up in time."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from app.jobs.job import Job


class Clock:
    """Hands over each job when its time has come."""

    def __init__(self, hand_over: Callable[[Job], None]) -> None:
        self._hand_over = hand_over
        self._due: list[tuple[float, int, Job]] = []
        self._numbers = itertools.count()  # heap order among jobs due at the same instant
        self._changed = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def at(self, due: float, job: Job) -> None:
        """Hand over the job at this time (seconds since 1970), or at once when it has passed."""
        heapq.heappush(self._due, (due, next(self._numbers), job))
        self._changed.set()

    def _run(self) -> None:
        while True:
            wait = self._due[0][0] - time.time() if self._due else None
            if wait is None or wait > 0:
                # at most a minute at a time: the clock on the wall may jump
                self._changed.wait(None if wait is None else min(wait, 60.0))
                self._changed.clear()
                continue
            self._hand_over(heapq.heappop(self._due)[2])
