"""When an attempt that failed is followed by another, and how long it waits."""

from __future__ import annotations

import time
from typing import Any

from app.contract import JobError
from app.controls.rules import AS_DECLARED, Retries
from app.jobs.job import BROKER_LOST, INTERRUPTED, MAX_DEATHS, STOPPED, Job
from app.tasks import Task


def next_attempt(
    job: Job, task: Task | None, error: JobError | None, retries: Retries = AS_DECLARED
) -> dict[str, Any] | None:
    """Number, last number and time of the next attempt; None when there is none left or it would come too late.

    `retries` is what operators set for the task. `counts` says whether this failure is put among the job's errors.
    """
    if error is None or not retries.helps(error.status, error.retryable):
        return None
    if error.code in (STOPPED, BROKER_LOST):  # no failure of the task's: the attempt is numbered, and one more allowed
        return {"attempt": job.attempt + 1, "attempts": job.attempts + 1, "due": time.time(), "counts": False}
    if job.attempt >= last_attempt(job, task, retries) or (error.code == INTERRUPTED and job.deaths >= MAX_DEATHS):
        return None
    left = job.attempts - job.attempt
    # Counted from the last replay on: who had an operator repair something does not wait as after many failures.
    tries = max(1, task.attempts - left) if task else job.attempt
    due = time.time() + retries.wait(tries, error.retry_after)
    if due >= job.deadline:
        return None
    return {"attempt": job.attempt + 1, "attempts": job.attempts, "due": due, "counts": True}


def last_attempt(job: Job, task: Task | None, retries: Retries) -> int:
    """The last attempt this job may have: what is set now counts for those, too, that were accepted before."""
    more = retries.attempts - task.attempts if retries.attempts is not None and task is not None else 0
    return job.attempts + more
