"""Who is next to be answered: the unfinished jobs of one ordered task in one room, in the order asked."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from app.jobs.job import Job


class Line:
    """Places in the order of acceptance, eight bytes each, so that a million jobs waiting at the broker fit in memory.

    `held` are jobs that have ended and wait for those before them.
    """

    __slots__ = ("_first", "_places", "held")

    def __init__(self) -> None:
        self._places = array("q")
        self._first = 0  # index of the first place still taken: taking from the front of an array would move the rest
        self.held: dict[int, Job] = {}

    def __len__(self) -> int:
        return len(self._places) - self._first

    def begin_with(self, places: array[int]) -> None:
        """Hold these places, which are in order; for a line that is empty."""
        self._places = places

    def join(self, n: int) -> None:
        """Take the place of job `n`: usually the last."""
        if self._places and self._places[-1] >= n and len(self):
            self._places.insert(bisect_left(self._places, n, self._first), n)
        else:
            self._places.append(n)

    def leave(self, n: int) -> None:
        """Give the place of job `n` up, wherever it is; harmless when it has none."""
        at = bisect_left(self._places, n, self._first)
        if at == len(self._places) or self._places[at] != n:
            return
        if at != self._first:
            del self._places[at]
            return
        self._first += 1
        if self._first > 1000 and self._first * 2 > len(self._places):
            del self._places[: self._first]
            self._first = 0

    def first(self) -> int | None:
        """The job that is answered next, or None."""
        return self._places[self._first] if len(self) else None
