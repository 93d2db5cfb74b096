"""LEDGER=off: the plain original. A job is started and forgotten; what is in flight when the process ends is gone.

Kept for comparison only: no ledger, no retries, no order, no dead letters, no queue.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import msgspec

from app import messages
from app.dispatch.dispatch import Dispatch
from app.jobs.accept import Begin, follow
from app.jobs.job import Job, JobError, Outcome, about
from app.payload import Refused
from app.store.store import StoreUnavailable
from app.tasks import following

GIVES_UP = (
    "LEDGER=off: jobs are not kept. What runs or waits when this process ends is lost, failures are not tried again and "
    "leave no dead letter, answers come in any order, and nothing can be queued or cancelled."
)


class PlainDispatch(Dispatch):
    """Starts each job at once, in memory, and shows what comes of it."""

    keeps = False

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._unfinished: dict[str, str] = {}  # the task of each job that has started, by the job's ID

    def under_way(self) -> list[tuple[str, str, int]]:
        """What runs, by task: there is one path, and nothing waits."""
        return [(task, "simple", count) for task, count in Counter(list(self._unfinished.values())).items()]

    def path_for(self, task: str, room: str) -> str:
        """There is only one."""
        return "simple"

    def begin(self, task: str, room: str) -> Begin:
        """At once."""
        return Begin("simple", "accepted")

    def full(self, path: str) -> bool:
        """There is no bound: that is part of what the ledger gives."""
        return False

    def submit(self, job: Job) -> None:
        """Start it."""
        self._unfinished[job.id] = job.task
        self.simple.start(self._run, job)

    def cancel(self, job: Job) -> Job:
        """Nothing is known of a job once it has started."""
        raise Refused("conflict", "LEDGER=off keeps no jobs: there is nothing to cancel")

    def recover(self) -> None:
        """There is nothing to take up."""

    def sweep(self) -> None:
        """There is nothing to look for."""

    def _run(self, job: Job) -> None:
        self.show(msgspec.structs.replace(job, state="running"))
        try:
            outcome = self.simple.execute(job)
            self._finish(job, outcome)
        except StoreUnavailable as error:
            self._finish(job, Outcome(state="failed", error=JobError("store_unavailable", str(error))))
        finally:
            del self._unfinished[job.id]

    def _finish(self, job: Job, outcome: Outcome) -> None:
        done = msgspec.structs.replace(
            job,
            state=outcome.state,
            started=time.time() - (outcome.ms or 0) / 1000,
            finished=time.time(),
            ms=outcome.ms,
            result=None if outcome.result is None else msgspec.json.encode(outcome.result).decode(),
            error=None if outcome.error is None else msgspec.json.encode(outcome.error).decode(),
            delivered=True,
        )
        self.count(done)
        self.show(done)
        if outcome.state == "succeeded":
            self._follow(done, outcome.result)

    def _follow(self, job: Job, result: Any) -> None:
        task = self.tasks[job.task]
        said = task.says(result) if task.says else None
        if said is not None:
            at = time.time()
            self.store.write(
                lambda c: messages.add_from_job(c, job.room, job.id, about(job), said.text, said.upload, at, "ml"),
                then=self.show,
            )
        for child in following(self.tasks, job.task):
            new = follow(job, child, result, time.time())
            self.accepted(new)
            self.submit(new)
