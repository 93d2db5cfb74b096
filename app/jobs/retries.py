"""When an attempt that failed is followed by another, and how long it waits."""

from __future__ import annotations

import random
import time
from typing import Any

from app.contract import JobError
from app.jobs.job import BROKER_LOST, INTERRUPTED, MAX_DEATHS, STOPPED, Job
from app.tasks import Task

FIRST_WAIT = 0.5  # seconds, doubled with each attempt ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015)
LONGEST_WAIT = 60.0


def next_attempt(job: Job, task: Task | None, error: JobError | None) -> dict[str, Any] | None:
    """Number, last number and time of the next attempt; None when there is none left or it would come too late.

    `counts` says whether this failure is put among the job's errors.
    """
    if error is None or not error.retryable:
        return None
    if error.code in (STOPPED, BROKER_LOST):  # no failure of the task's: the attempt is numbered, and one more allowed
        return {"attempt": job.attempt + 1, "attempts": job.attempts + 1, "due": time.time(), "counts": False}
    if job.attempt >= job.attempts or (error.code == INTERRUPTED and job.deaths >= MAX_DEATHS):
        return None
    left = job.attempts - job.attempt
    # Counted from the last replay on: who had an operator repair something does not wait as after many failures.
    tries = max(1, task.attempts - left) if task else job.attempt
    due = time.time() + wait_before(tries, error.retry_after)
    if due >= job.deadline:
        return None
    return {"attempt": job.attempt + 1, "attempts": job.attempts, "due": due, "counts": True}


def wait_before(tries: int, retry_after: float | None) -> float:
    """Seconds to wait after so many tries: exponential with full jitter, never less than the other side asked for."""
    return max(random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries, 100))), retry_after or 0.0)  # noqa: S311 - no secret
