"""The simple path: a background task in the web process, `start_background_task` and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from app.contract import Outcome
from app.jobs.job import Job
from app.paths.turns import Turns

StartBackgroundTask = Callable[..., Any]  # runs a function where it may block
Settle = Callable[[Job, int, Outcome], None]
LEFT_FOR_OTHERS = (
    8  # one slot in so many is not for a task that has all the others, so that one slow task starves no other
)


class Background:
    """Runs at most `limit` attempts at once; the others wait, and are marked as running before they start."""

    def __init__(
        self,
        start_background_task: StartBackgroundTask,
        soon: Callable[..., None],
        execute: Callable[[Job], Outcome],
        limit: int,
        begins: Callable[[int], None] = lambda n: None,
    ) -> None:
        """`soon` calls a function on the loop, from wherever an attempt ran; `begins` notes that a job's run does."""
        self._start_background_task, self._soon, self._execute = start_background_task, soon, execute
        self.limit, self._begins = limit, begins
        self.begin: Callable[[Job], None] = lambda job: None  # commits that a job that waited runs, then submits it
        self.stop: Callable[[Job], None] = lambda job: None  # ends the work of an attempt that runs
        self.settle: Settle = lambda job, attempt, outcome: None
        self.ended: Callable[[Job, int], None] = lambda job, attempt: None  # the attempt has really ended
        self.is_paused: Callable[[str], bool] = lambda task: False
        self._waiting = Turns()
        self._slots_taken = 0
        self._slots_of: Counter[str] = Counter()  # by task
        self._most_of_one = limit - limit // LEFT_FOR_OTHERS
        self.running: dict[int, Job] = {}  # by place in the order of acceptance
        self._closing = False
        self._idle = asyncio.Event()

    def reserve(self, task: str) -> bool:
        """Take a slot, if one is free for this task and nobody waits who could have it."""
        if self._closing or not self._has_slot(task) or (self._waiting and self._waiting.any_may(self._has_slot)):
            return False
        self._take_slot(task)
        return True

    def release(self, task: str) -> None:
        """A slot is free again."""
        self._slots_taken -= 1
        self._slots_of[task] -= 1
        if not self._slots_taken:
            self._idle.set()
        self.fill()

    def submit(self, job: Job) -> None:
        """Run an attempt that has a slot, or have it wait for one."""
        if job.state == "running":
            self.running[job.n] = job
            self._start_background_task(self._run, job, job.attempt)
        elif not self._closing:
            self._waiting.put(job)
            self.fill()

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

    def _has_slot(self, task: str) -> bool:
        free = self._slots_taken < self.limit and self._slots_of[task] < self._most_of_one
        return free and not self.is_paused(task)

    def _take_slot(self, task: str) -> None:
        self._slots_taken += 1
        self._slots_of[task] += 1

    def fill(self) -> None:
        """Start what waits and may."""
        while self._waiting and self._slots_taken < self.limit and not self._closing:
            found = self._waiting.next(self._has_slot)
            if found is None:
                return
            self._take_slot(found.task)
            self.begin(found)

    def _run(self, job: Job, attempt: int) -> None:
        """In a green thread, or a real one: execute, and report to the loop."""
        self._begins(job.n)
        self._soon(self._ended, job, attempt, self._execute(job))

    def _ended(self, job: Job, attempt: int, outcome: Outcome) -> None:
        self.running.pop(job.n, None)
        self.settle(job, attempt, outcome)
        self.release(job.task)
        self.ended(job, attempt)
