"""A wall clock that somebody may set: deadlines were meant as durations."""

from __future__ import annotations

import time
from datetime import datetime

SET_SECONDS = 0.5  # by how much the wall clock must leave the monotonic one to have been set


class SetClock:
    """Notices that the clock was set forward, and takes that off what was issued before."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._set: list[tuple[float, float]] = []  # when, as the clock stood before; and by how many seconds

    def seconds_until(self, deadline: str, issued: float) -> float:
        """Until a deadline (RFC 3339) that was issued at a time in seconds since 1970; raises ValueError for what is no time."""
        at = datetime.fromisoformat(deadline).timestamp()
        if at < time.time():
            self.look()  # it may have been set in this moment
            at += sum(seconds for before, seconds in self._set if issued <= before)
        return at - time.time()

    def look(self) -> None:
        """Notice; to be called often."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > SET_SECONDS:
            # Set back, jobs only seem younger than they are, and run; set forward, they would all seem too late.
            if offset > self._offset:
                self._set.append((time.monotonic() + self._offset, offset - self._offset))
            self._offset = offset
