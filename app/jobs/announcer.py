"""States between accepted and final are shown only of jobs that take a while: most are done before anybody could read."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable

from app.jobs.job import LOST, Job

QUICK_SECONDS = 0.05  # a job that is done sooner is shown once, with its answer


class Announcer:
    """Shows each job that is not done in time, with one timer for all; from then on every step of it is shown."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        show: Callable[[list[Job]], None],
        when_committed: Callable[[Callable[[], None]], None] = lambda call: call(),
    ) -> None:
        """`when_committed` calls a function once jobs in memory are as they are in the ledger."""
        self._loop, self.show, self._when_committed = loop, show, when_committed
        self._watched: deque[tuple[float, Job]] = deque()
        self._known: set[int] = set()  # places of the jobs that were shown
        self._looking = False

    def watch(self, job: Job) -> None:
        """Show the job unless it ends soon."""
        self._watched.append((self._loop.time() + QUICK_SECONDS, job))
        if not self._looking:
            self._looking = True
            self._loop.call_later(QUICK_SECONDS, self._when_committed, self._look)

    def is_known(self, job: Job, from_now_on: bool = False) -> bool:
        """Whether clients have seen this job, and so must see its next step."""
        if from_now_on:
            self._known.add(job.n)
        return job.n in self._known

    def moved(self, job: Job, before: int) -> None:
        """It has another place now."""
        self._known.discard(before)
        self._known.add(job.n)

    def forget(self, job: Job) -> None:
        """It has ended."""
        self._known.discard(job.n)

    def _look(self) -> None:
        now = self._loop.time()
        slow = []
        while self._watched and self._watched[0][0] <= now:
            _, job = self._watched.popleft()
            if not (job.delivered or job.parked or job.attempt == LOST or job.n in self._known):
                self._known.add(job.n)
                slow.append(job)
        if slow:
            self.show(slow)
        if self._watched:
            self._loop.call_at(self._watched[0][0], self._when_committed, self._look)
        else:
            self._looking = False
