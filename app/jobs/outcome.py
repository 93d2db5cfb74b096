"""What follows an outcome: a final state, another attempt, or a dead letter; then delivery and what it starts.

Only the web process decides this, with the same code for both paths. Everything here happens inside one transaction:
either the outcome, its room message and the jobs that follow are all committed, or nothing is and it is settled again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from app import messages
from app.jobs import ledger
from app.jobs.accept import follow
from app.jobs.job import STOPPED, Job, JobError, Outcome, about
from app.messages import Message
from app.payload import Refused
from app.tasks import Task, following

FIRST_WAIT = 0.5  # seconds, doubled with each attempt ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015)
LONGEST_WAIT = 60.0


@dataclass
class Settled:
    """What the caller has to do after the commit: show these in this order, start those, and wait with the retry."""

    shown: list[Job | Message] = field(default_factory=list)
    accepted: list[Job] = field(default_factory=list)
    retry: Job | None = None
    dropped: str | None = None  # why this outcome counted for nothing


def settle(
    connection: Connection, tasks: Mapping[str, Task], id: str, attempt: int, outcome: Outcome, now: float
) -> Settled:
    """Record how an attempt ended. The first outcome wins; later ones and those of older attempts are dropped."""
    job = ledger.find(connection, id)
    if job is None:
        return Settled(dropped="unknown job")
    if job.final:
        return Settled(dropped="already final")
    if attempt != job.attempt:
        return Settled(dropped="another attempt")
    declared = tasks.get(job.task)
    outcome = _fitting(declared, outcome)
    error = outcome.error
    if error is not None and error.retryable:
        again = _next_attempt(job, declared, error, now)
        if again is not None:
            job = ledger.change(connection, job, state="retrying", ms=outcome.ms, **again)
            return Settled(shown=[job], retry=job)
    values = {
        "state": outcome.state,
        "started": job.started or now - (outcome.ms or 0) / 1000,  # workers do not mention short runs before they end
        "finished": now,
        "ms": outcome.ms,
        "result": None if outcome.result is None else msgspec.json.encode(outcome.result).decode(),
        "error": None if error is None else msgspec.json.encode(error).decode(),
        "dead": outcome.state == "failed",
    }
    line = ledger.undelivered(connection, job.room, job.task)
    if line[0].id != job.id:  # somebody asked before: the outcome is kept, and shown in its turn
        ledger.change(connection, job, **values)
        return Settled()
    settled = Settled()
    _deliver_one(connection, tasks, ledger.change(connection, job, delivered=True, **values), settled, now)
    if len(line) > 1:
        deliver(connection, tasks, job.room, job.task, settled, now)
    return settled


def finish_quietly(connection: Connection, tasks: Mapping[str, Task], job: Job, state: str, now: float) -> Settled:
    """Make a job final without an answer (cancelled, skipped): shown at once, and those behind it get their turn."""
    settled = Settled(shown=[ledger.change(connection, job, state=state, finished=now, delivered=True)])
    deliver(connection, tasks, job.room, job.task, settled, now)
    return settled


def deliver(
    connection: Connection, tasks: Mapping[str, Task], room: str, task: str, settled: Settled, now: float
) -> None:
    """Show every outcome of this room and task whose turn has come: those asked before it are all final."""
    while line := ledger.undelivered(connection, room, task):
        for job in line:
            if not job.final:
                return
            _deliver_one(connection, tasks, ledger.change(connection, job, delivered=True), settled, now)


def _deliver_one(connection: Connection, tasks: Mapping[str, Task], job: Job, settled: Settled, now: float) -> None:
    settled.shown.append(job)
    declared = tasks.get(job.task)
    if job.state == "succeeded" and declared is not None:
        result = msgspec.json.decode(job.result or "null")
        said = declared.says(result) if declared.says else None
        if said is not None:
            settled.shown.append(_tell(connection, job, said.text, said.upload, now, "ml"))
        for child in following(tasks, job.task):
            new = follow(job, child, result, now)
            ledger.add(connection, [new])
            settled.accepted.append(new)
    elif job.state == "failed" and job.key is not None:
        settled.shown.append(_tell(connection, job, _plain(declared, job), None, now, "system"))


def _tell(connection: Connection, job: Job, text: str, upload: str | None, now: float, kind: str) -> Message:
    return messages.add_from_job(connection, job.room, job.id, about(job), text, upload, now, kind)


def _plain(declared: Task | None, job: Job) -> str:
    what = declared.about if declared else job.task
    return f"{what}: this did not work ({job.attempt} {'tries' if job.attempt > 1 else 'try'}). It is kept and can be tried again."


def _fitting(declared: Task | None, outcome: Outcome) -> Outcome:
    """The outcome, or a failure when its result is not what the task promises or cannot be put into words."""
    if declared is None or outcome.state != "succeeded":
        return outcome
    try:
        declared.fit(outcome.result)
        if declared.says:
            declared.says(outcome.result)
    except Refused as error:
        return Outcome(
            state="failed", error=JobError("result_invalid", f"the result does not fit: {error.message}"), ms=outcome.ms
        )
    except Exception as error:  # the task's own words: if they fail now they would fail at delivery, with others behind
        return Outcome(state="failed", error=JobError("says_failed", f"{type(error).__name__}: {error}"), ms=outcome.ms)
    return outcome


def _next_attempt(job: Job, declared: Task | None, error: JobError, now: float) -> dict[str, Any] | None:
    """Number and time of the next attempt, or None when there is none left or it would come too late."""
    if error.code == STOPPED:  # a deploy is no failure: the attempt is numbered, and one more allowed
        return {"attempt": job.attempt + 1, "attempts": job.attempts + 1, "due": now}
    if job.attempt >= job.attempts:
        return None
    left = job.attempts - job.attempt
    # Counted from the last replay on: who had an operator repair something does not wait as after many failures.
    due = now + wait_before(max(1, declared.attempts - left) if declared else job.attempt, error.retry_after)
    if due >= job.deadline:
        return None
    errors = [
        *msgspec.json.decode(job.errors or "[]"),
        {"attempt": job.attempt, "code": error.code, "message": error.message},
    ]
    return {"attempt": job.attempt + 1, "due": due, "errors": msgspec.json.encode(errors).decode()}


def wait_before(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait after this attempt: exponential with full jitter, and never less than the other side asked for."""
    return max(random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt)), retry_after or 0.0)  # noqa: S311 - no secret
