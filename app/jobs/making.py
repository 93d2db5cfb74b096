"""Making jobs, and the failures that are decided without running anything."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from app.contract import MAX_RESULT_BYTES, JobError, Outcome, failure
from app.ids import new_id
from app.jobs.job import Job
from app.payload import Refused
from app.tasks import Task


def new_job(task: Task, room: str, args: str, sender_id: str | None, sender_name: str | None, **values: Any) -> Job:
    """A job that is not in the ledger yet; its place and path are chosen when it is committed."""
    now = time.time()
    return Job(
        n=0,
        id=new_id(),
        room=room,
        task=task.name,
        args=args,
        path="simple",
        at=now,
        deadline=now + task.deadline,
        attempts=task.attempts,
        sender_id=sender_id,
        sender_name=sender_name,
        **values,
    )


def put_off(job: Job, seconds: float) -> None:
    """Have it start so much later: its deadline counts from then."""
    if seconds:
        job.due = time.time() + seconds
        job.deadline += seconds


def checked(tasks: Mapping[str, Task], job: Job, outcome: Outcome) -> Outcome:
    """The outcome a worker sent, or a failure in its place when its result is not what the task promises."""
    task = tasks.get(job.task)
    if task is None or outcome.state != "succeeded":
        return outcome
    try:
        task.check_result(outcome.result or b"null")
    except Refused as error:
        wrong = JobError("result_invalid", f"the result does not fit: {error.message}")
        return Outcome(state="failed", error=wrong, ms=outcome.ms)
    return outcome


def too_large(what: str, size: int) -> Outcome:
    """The failure of a job whose arguments or result are past the bound."""
    return failure("result_too_large", f"{what} have {size} bytes: at most {MAX_RESULT_BYTES} are allowed")


def encoded(error: Any) -> str:
    """An error as JSON text."""
    return msgspec.json.encode(error).decode()
