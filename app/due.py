"""What is to be done at a time: retries and deadlines, in one queue with one timer on the loop."""

from __future__ import annotations

import heapq
import itertools
import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Any

import structlog

from app.loops import Loops

log = structlog.get_logger()

JUMP_SECONDS = 0.5  # by how much the wall clock must leave the monotonic one to have been set
LOOK_SECONDS = 0.1

Entry = list[Any]  # when on the loop's clock, a number that keeps the order, the call or None, its arguments


class Due:
    """Calls functions when their time has come. Times are the loop's own, which nobody can set."""

    def __init__(self, loop: AbstractEventLoop, loops: Loops | None = None) -> None:
        self._loop = loop
        self._heap: list[Entry] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._timer: TimerHandle | None = None
        self._offset = time.time() - loop.time()
        self.on_jump: Callable[[float], None] = lambda seconds: None  # the wall clock was set by so much
        (loops or Loops(loop)).tick(LOOK_SECONDS, "clock", self.look_at_clock)

    def at(self, wall: float, call: Callable[..., None], *args: Any) -> Entry:
        """Call at this time (seconds since 1970), or at once when it has passed; the entry can be cancelled."""
        entry: Entry = [self._loop.time() + wall - time.time(), next(self._numbers), call, args]
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._set_timer()
        return entry

    def cancel(self, entry: Entry) -> None:
        """Do not call it, and keep nothing of it but its place in the queue."""
        entry[2] = entry[3] = None
        self._cancelled += 1
        if self._cancelled > 1000 and self._cancelled * 2 > len(self._heap):
            self._heap = [each for each in self._heap if each[2] is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._call_due) if self._heap else None

    def _call_due(self) -> None:
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            _, _, call, args = heapq.heappop(self._heap)
            if call is None:
                self._cancelled -= 1
                continue
            try:
                call(*args)
            except Exception:  # the others are due all the same
                log.exception("what was due failed")
        self._timer = None
        if self._heap:
            self._set_timer()

    def look_at_clock(self) -> bool:
        """Notice that somebody has set the wall clock: what was stored as a time was meant as a duration."""
        offset = time.time() - self._loop.time()
        if abs(offset - self._offset) > JUMP_SECONDS:
            log.warning("the wall clock was set", seconds=round(offset - self._offset, 3))
            self.on_jump(offset - self._offset)
            self._offset = offset
            return True
        return False
