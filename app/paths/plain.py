"""LEDGER=off, the plain original: a job is started and forgotten, and what is in flight when the process ends is gone.

Kept for comparison only: no ledger, no bound, no retries, no order, no dead letters, no queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.contract import Outcome
from app.jobs.job import Job

LEDGER_OFF_WARNING = (
    "LEDGER=off: jobs are not kept. What runs or waits when this process ends is lost, failures are not tried again and "
    "leave no dead letter, answers come in any order, and nothing can be queued or cancelled."
)


class Plain:
    """Starts every attempt at once."""

    def __init__(
        self,
        start_background_task: Callable[..., Any],
        soon: Callable[..., None],
        execute: Callable[[Job], Outcome],
    ) -> None:
        self._start_background_task, self._soon, self._execute = start_background_task, soon, execute
        self.limit = 10**9  # for `auto`, which is never asked
        self.settle: Callable[[Job, int, Outcome], None] = lambda job, attempt, outcome: None
        self.ended: Callable[[Job, int], None] = lambda job, attempt: None
        self.is_paused: Callable[[str], bool] = lambda task: False  # at the gate alone
        self.running: dict[int, Job] = {}

    def reserve(self, task: str) -> bool:
        """There is always a slot."""
        return True

    def release(self, task: str) -> None:
        """There is nothing to give back."""

    def submit(self, job: Job) -> None:
        """Start it."""
        self.running[job.n] = job
        self._start_background_task(self._run, job, job.attempt)

    def fill(self) -> None:
        """Nothing waits here."""

    def backlog(self) -> int:
        """Nothing waits."""
        return 0

    def inflight(self) -> int:
        """What runs."""
        return len(self.running)

    def cancelled(self, job: Job) -> None:
        """Nothing can be cancelled."""

    async def close(self, seconds: float) -> list[Job]:
        """What runs is lost."""
        return []

    def _run(self, job: Job, attempt: int) -> None:
        self._soon(self._ended, job, attempt, self._execute(job))

    def _ended(self, job: Job, attempt: int, outcome: Outcome) -> None:
        self.running.pop(job.n, None)
        self.settle(job, attempt, outcome)
        self.ended(job, attempt)
