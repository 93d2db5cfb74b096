"""A job, and how the outside sees it."""

from __future__ import annotations

from typing import Any

import msgspec

from app.ids import rfc3339

UNFINISHED = ("accepted", "running", "retrying")
FINAL = ("succeeded", "failed", "cancelled", "skipped")

CUT_OFF = "cut_off"  # error code: the process ended while a simple attempt ran
STOPPED = "worker_stopped"  # error code: a worker was told to stop and gave the attempt back; that does not count


class Job(msgspec.Struct, kw_only=True):
    """One row of the ledger. `args`, `result`, `error` and `progress` are JSON text; times are seconds since 1970."""

    n: int = 0
    id: str
    room: str
    key: str | None = None
    sender_id: str | None = None
    sender_name: str | None = None
    task: str
    args: str
    asked: str | None = None
    path: str
    state: str = "accepted"
    attempt: int = 1
    attempts: int
    published: int = 0
    stream_seq: int | None = None
    message: int | None = None
    at: float
    started: float | None = None
    finished: float | None = None
    ms: float | None = None
    due: float | None = None
    deadline: float
    progress: str | None = None
    result: str | None = None
    error: str | None = None
    errors: str | None = None
    delivered: bool = False
    dead: bool = False
    changed: int = 0
    trace: str | None = None

    @property
    def final(self) -> bool:
        """Whether nothing will change it any more."""
        return self.state in FINAL


class JobError(msgspec.Struct, omit_defaults=True):
    """Why an attempt failed, and whether another may help (`retry_after`: seconds the other side asked for)."""

    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """How one attempt ended: a state word, and the result or the error that goes with it."""

    state: str  # succeeded, failed or cancelled
    result: Any = None
    error: JobError | None = None
    ms: float | None = None


def about(job: Job) -> dict[str, Any]:
    """What a message that this job writes is about: `task`, and the `message` (its seq) and `person` it concerns."""
    known = {"task": job.task, "message": job.message, "person": job.sender_name}
    return {key: value for key, value in known.items() if value is not None}


def view(job: Job) -> dict[str, Any]:
    """The job as `job:update` and `GET /api/jobs/ID` show it.

    An outcome that waits for its turn is not shown: until it is delivered the job counts as running.
    """
    shown = job.delivered or not job.final
    seen: dict[str, Any] = {
        "room": job.room,
        "id": job.id,
        "key": job.key,
        "task": job.task,
        "path": job.path,
        "state": job.state if shown else "running",
        "attempt": job.attempt,
        "message": job.message,
        "sender": {"id": job.sender_id, "name": job.sender_name} if job.sender_id is not None else None,
        "at": rfc3339(job.at),
    }
    if shown:
        seen["ms"] = round(job.ms, 2) if job.ms is not None else None
        seen["result"] = msgspec.json.decode(job.result) if job.result is not None else None
        seen["error"] = msgspec.json.decode(job.error) if job.error is not None else None
    seen["progress"] = msgspec.json.decode(job.progress) if job.progress is not None and not job.final else None
    return {key: value for key, value in seen.items() if value is not None}
