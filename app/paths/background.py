"""The simple path: a background task in the web process, `start_background_task` and nothing else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from app.contract import Outcome
from app.jobs.job import Job

StartBackgroundTask = Callable[..., Any]  # runs a function where it may block
Settle = Callable[[Job, int, Outcome], None]


class Background:
    """Runs at most `limit` attempts at once; the others wait, and are marked as running before they start."""

    def __init__(
        self,
        start_background_task: StartBackgroundTask,
        soon: Callable[..., None],
        execute: Callable[[Job], Outcome],
        limit: int,
    ) -> None:
        """`soon` calls a function on the loop, from wherever an attempt ran."""
        self._start_background_task, self._soon, self._execute = start_background_task, soon, execute
        self.limit = limit
        self.begin: Callable[[Job], None] = lambda job: None  # commits that a job that waited runs, then submits it
        self.stop: Callable[[Job], None] = lambda job: None  # ends the work of an attempt that runs
        self.settle: Settle = lambda job, attempt, outcome: None
        self._waiting: deque[tuple[Job, int]] = deque()
        self._slots_taken = 0
        self.running: dict[int, Job] = {}  # by place in the order of acceptance
        self._closing = False
        self._idle = asyncio.Event()

    def reserve(self) -> bool:
        """Take a slot, if one is free and nobody waits."""
        if self._closing or self._waiting or self._slots_taken >= self.limit:
            return False
        self._slots_taken += 1
        return True

    def release(self) -> None:
        """A slot is free again."""
        self._slots_taken -= 1
        if not self._slots_taken:
            self._idle.set()
        self._fill()

    def submit(self, job: Job) -> None:
        """Run an attempt that has a slot, or have it wait for one."""
        if job.state == "running":
            self.running[job.n] = job
            self._start_background_task(self._run, job, job.attempt)
        elif not self._closing:
            self._waiting.append((job, job.attempt))
            self._fill()

    def backlog(self) -> int:
        """Attempts without a slot."""
        return len(self._waiting)

    def inflight(self) -> int:
        """What `auto` looks at: slots taken and asked for."""
        return self._slots_taken + len(self._waiting)

    def cancelled(self, job: Job) -> None:
        """One that waits is passed over in its turn; one that runs is stopped, and its outcome dropped."""
        self.stop(job)

    async def close(self, seconds: float) -> list[Job]:
        """Start nothing more, give those that run so long, and return those that are not done."""
        self._closing = True
        self._waiting.clear()
        if self._slots_taken:
            self._idle.clear()
            try:
                await asyncio.wait_for(self._idle.wait(), seconds)
            except TimeoutError:
                pass  # what is left is put back by whoever asked
        return list(self.running.values())

    def _fill(self) -> None:
        while self._waiting and self._slots_taken < self.limit and not self._closing:
            job, attempt = self._waiting.popleft()
            if job.state == "accepted" and job.attempt == attempt:
                self._slots_taken += 1
                self.begin(job)

    def _run(self, job: Job, attempt: int) -> None:
        """In a green thread, or a real one: execute, and report to the loop."""
        self._soon(self._ended, job, attempt, self._execute(job))

    def _ended(self, job: Job, attempt: int, outcome: Outcome) -> None:
        self.running.pop(job.n, None)
        self.settle(job, attempt, outcome)
        self.release()
