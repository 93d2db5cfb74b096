"""How many attempts of a task may be under way, and when the next may start: within `max_inflight` and `rate`."""

from __future__ import annotations

import math

BEGIN_SECONDS = 0.25  # of a rate: so many attempts may have been let go and not begun, such as while no worker is there


class Pace:
    """The limits of one task. Where there are several web processes `share` and `starts` are what this one was granted."""

    __slots__ = ("_due", "_passed", "_unbegun", "limit", "rate", "share", "starts")

    def __init__(self, limit: int | None, rate: float | None) -> None:
        self.limit, self.rate = limit, rate
        self.share: int | None = limit  # of the limit: how many this process may have under way
        self.starts: list[float] | None = (
            None  # when it may start one, on the loop's clock; None: this process alone counts
        )
        self._due = 0.0
        self._passed: dict[str, int] = {}  # ID -> attempt
        self._unbegun: set[str] = set()

    def __len__(self) -> int:
        return len(self._passed)

    def wait(self, now: float) -> float | None:
        """Seconds until the next may pass, 0 for now; None: when one that is under way has ended, or something is granted."""
        if self.share is not None and len(self._passed) >= self.share:
            return None
        if self.rate is None:
            return 0.0
        if not self.may_begin():
            return None
        if self.starts is None:
            return max(0.0, self._due - now)
        return max(0.0, self.starts[0] - now) if self.starts else None

    def may_begin(self) -> int:
        """How many more may pass that nobody has begun yet; of a task with a rate."""
        return max(0, max(1, math.ceil((self.rate or 0.0) * BEGIN_SECONDS)) - len(self._unbegun))

    def take(self, job: str, attempt: int, now: float) -> None:
        """This attempt passes."""
        self.count(job, attempt)
        if self.rate is None:
            return
        self._unbegun.add(job)
        if self.starts is None:
            self._due = max(self._due, now) + 1 / self.rate
        elif self.starts:
            self.starts.pop(0)

    def count(self, job: str, attempt: int) -> None:
        """This attempt is under way already."""
        self._passed[job] = attempt

    def begun(self, job: str) -> None:
        """An attempt runs."""
        self._unbegun.discard(job)

    def over(self, job: str, attempt: int | None = None) -> bool:
        """An attempt is under way no longer, this one or whichever it is of the job; says whether it was."""
        if attempt is not None and self._passed.get(job) != attempt:
            return False
        self._unbegun.discard(job)
        return self._passed.pop(job, None) is not None

    def under_way(self) -> list[str]:
        """The IDs of those under way."""
        return list(self._passed)
