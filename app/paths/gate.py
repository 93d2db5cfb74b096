"""The gate before both paths: attempts of a task that is paused, or at its limits, are held here until they may start."""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Mapping

from app.jobs.job import Job
from app.paths.pace import Pace
from app.paths.turns import Turns
from app.tasks import Task

Pass = Callable[[Job], None]


class Gate:
    """Holds attempts in memory; the ledger knows them as accepted. Tasks without limits that are not paused cost a look-up."""

    def __init__(
        self, loop: AbstractEventLoop, tasks: Mapping[str, Task], is_paused: Callable[[str], bool], pass_on: Pass
    ) -> None:
        self._loop, self.is_paused, self._pass_on = loop, is_paused, pass_on
        self.paces = {
            name: Pace(task.max_inflight, task.rate)
            for name, task in tasks.items()
            if task.max_inflight is not None or task.rate is not None
        }
        self._held: dict[str, Turns] = {}
        self._timers: dict[str, TimerHandle] = {}
        self._closed = False
        self.wanted: Callable[[], None] = lambda: None  # something is held that a share of a limit would let pass

    def enter(self, job: Job) -> bool:
        """Let an attempt pass at once, before it is committed, if it may and none of its task waits; `over` takes it back."""
        task = job.task
        if self._closed or self.is_paused(task) or task in self._held:
            return False
        pace = self.paces.get(task)
        if pace is None:
            return True
        now = self._loop.time()
        if pace.wait(now) != 0.0:
            return False
        pace.take(job.id, job.attempt, now)
        return True

    def count(self, job: Job) -> None:
        """This attempt has passed already, in another life of the process."""
        if job.task in self.paces:
            self.paces[job.task].count(job.id, job.attempt)

    def put(self, job: Job) -> None:
        """Pass this attempt on as soon as it may start."""
        task = job.task
        if task not in self.paces and task not in self._held and not self.is_paused(task):
            self._pass_on(job)
            return
        self._held.setdefault(task, Turns()).put(job)
        self.open(task)

    def holds(self, job: Job) -> bool:
        """Whether this attempt is held here."""
        return job.task in self._held and self._held[job.task].has(job)

    def held(self, task: str | None = None, path: str | None = None) -> int:
        """How many are held of this task, or of all; on this path, or on both."""
        if not self._held:
            return 0
        chosen = self._held.values() if task is None else [self._held[task]] if task in self._held else []
        return sum(each.count(path) for each in chosen)

    def begun(self, job: Job) -> None:
        """An attempt that has passed runs now."""
        pace = self.paces.get(job.task)
        if pace is not None and pace.rate is not None:
            pace.begun(job.id)
            self.open(job.task)

    def over(self, job: Job, attempt: int | None = None) -> None:
        """An attempt that has passed has ended, or does not start after all."""
        if self._held and job.final and job.task in self._held:  # else its next attempt may wait here
            self._held[job.task].drop(job)
        pace = self.paces.get(job.task)
        if pace is not None and pace.over(job.id, attempt):
            self.open(job.task)

    def open(self, task: str) -> None:
        """Let pass what may; to be called whenever that may have changed."""
        held, pace = self._held.get(task), self.paces.get(task)
        while held is not None and not self._closed and not self.is_paused(task):
            wait = pace.wait(self._loop.time()) if pace is not None else 0.0
            if wait == 0.0:
                found = held.next(lambda _: True)
                if found is None:
                    del self._held[task]
                    return
                self._let_pass(found, pace)
            elif wait is None:
                self.wanted()
                return
            else:
                self._open_later(task, wait)
                return

    def close(self) -> None:
        """Let nothing pass any more."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()

    def _let_pass(self, job: Job, pace: Pace | None) -> None:
        if pace is not None:
            pace.take(job.id, job.attempt, self._loop.time())
        self._pass_on(job)

    def _open_later(self, task: str, seconds: float) -> None:
        if task not in self._timers:
            self._timers[task] = self._loop.call_later(seconds, self._open_now, task)

    def _open_now(self, task: str) -> None:
        del self._timers[task]
        self.open(task)
