"""The simple path: a background task in the web process, `start_background_task` and nothing else."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from app.dispatch.places import LOOK_EVERY, Places
from app.jobs import ledger
from app.jobs.executor import Guard, execute
from app.jobs.job import Job, JobError, Outcome
from app.store.store import StoreUnavailable

if TYPE_CHECKING:
    from app.dispatch.dispatch import Dispatch

Links = Callable[[Job], dict[str, str]]
StartBackgroundTask = Callable[..., Any]


class Background:
    """Runs at most `limit` jobs at once; the others wait in the ledger, here only their names."""

    def __init__(
        self, dispatch: Dispatch, start_background_task: StartBackgroundTask, guard: Guard, links: Links, limit: int
    ) -> None:
        self._dispatch, self.start, self._guard, self._links = dispatch, start_background_task, guard, links
        self.limit = limit
        self._places = Places(limit, dispatch.late)
        self._waiting: deque[tuple[str, int]] = deque()
        self._running = 0
        self._names: set[str] = set()  # of the jobs that have begun
        self._idle = threading.Event()
        self._closing = False
        self._looking = False

    def submit(self, job: Job) -> None:
        """Run the attempt as soon as there is a place; where one was kept for it the ledger says so already."""
        if job.state == "running":
            self.start(self._run, job.id, job.attempt, job)
            return
        self._waiting.append((job.id, job.attempt))
        self._fill()

    def reserve(self) -> bool:
        """Keep a place for a job about to be accepted, if one is free and nobody waits; `submit` or `release` ends that."""
        if self._closing or self._waiting or self._running >= self._places.allowed():
            return False
        self._running += 1
        return True

    def release(self) -> None:
        """A place is free again."""
        self._running -= 1
        self._idle.set()
        self._fill()

    def ready(self) -> bool:
        """Always: there is nothing it needs besides this process."""
        return True

    def cancelled(self, job: Job) -> None:
        """Nothing to do: an attempt that has not begun finds out from the ledger, one that runs has its answer dropped."""

    def waiting(self) -> int:
        """Attempts without a place."""
        return len(self._waiting)

    def running(self) -> int:
        """Attempts with a place."""
        return self._running

    def inflight(self) -> int:
        """What `auto` looks at: places taken and asked for."""
        return self._running + len(self._waiting)

    def close(self, seconds: float) -> None:
        """Give no more places, wait for those who have one, and leave who is not done in time to the next start."""
        self._closing = True
        until = time.monotonic() + seconds
        while self._running and (left := until - time.monotonic()) > 0:
            self._idle.clear()
            self._idle.wait(min(left, 0.1))
        if self._names:
            self._dispatch.store.write(lambda connection: ledger.put_back(connection, list(self._names)))

    def _fill(self) -> None:
        while self._waiting and self._running < self._places.allowed() and not self._closing:
            self._running += 1
            self.start(self._run, *self._waiting.popleft())
        if self._waiting and self._running < self.limit and not self._looking:
            self._looking = True
            self.start(self._look)

    def _look(self) -> None:
        """Places come back while the hub has time: whoever waits must not wait for a slow job to end."""
        while self._waiting and self._running < self.limit and not self._closing:
            time.sleep(LOOK_EVERY)
            self._fill()
        self._looking = False

    def _run(self, id: str, attempt: int, begun: Job | None = None) -> None:
        """One attempt's life: marked as running, executed, settled."""
        self._names.add(id)
        try:
            job = begun or self._begin(id, attempt)
            if begun is not None:
                self._dispatch.show(begun)
            if job is not None:
                self._dispatch.settle(job.id, job.attempt, self.execute(job))
        finally:
            self._names.discard(id)
            self.release()

    def execute(self, job: Job) -> Outcome:
        """Run the attempt here and say how it ended."""
        task = self._dispatch.tasks.get(job.task)
        if task is None:
            return Outcome(state="failed", error=JobError("unknown_task", f"there is no task {job.task} any more"))
        links = self._links(job) if "links" in task.given else None
        return execute(task, msgspec.json.decode(job.args), links, self._guard)

    def _begin(self, id: str, attempt: int) -> Job | None:
        """The job, once the ledger says that it runs: a task that kills its process must not start uncounted."""
        while not self._closing:
            try:
                return self._dispatch.store.write(
                    lambda connection: ledger.start(connection, id, attempt, time.time()),
                    then=lambda job: self._dispatch.show(job) if job is not None else None,
                )
            except StoreUnavailable:
                time.sleep(1.0)
        return None
