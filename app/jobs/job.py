"""A job: one row of the ledger, and an object while this process holds it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from app.contract import FINAL, MAX_TRACEBACK_BYTES, JobError, JobView, Person
from app.ids import rfc3339

INTERRUPTED = "cut_off"  # error code: the process ended while a simple attempt ran
STOPPED = "worker_stopped"  # error code: a worker was told to stop and gave the attempt back; that does not count
BROKER_LOST = "broker_lost"  # error code: the broker kept an attempt and gave it to nobody; that does not count
LOST = 0  # the attempt of a job that is another process's now: whatever is still under way for it here is dropped
MAX_DEATHS = 3  # runs that began and never ended, after which a job counts as poison; `make run` ends at five


class Job(msgspec.Struct, kw_only=True, eq=False):
    """`args`, `result`, `error`, `errors` and `progress` are JSON text; times are seconds since 1970.

    The fields are the columns of the ledger, in their order. docs/architecture.md tells how they change.
    """

    n: int
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
    deaths: int = 0
    run: str | None = None
    published: int = 0
    stream_seq: int | None = None
    parked: bool = False
    owner: str | None = None
    epoch: int | None = None
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
    changed: int | None = None
    callback: str | None = None
    text: str | None = None
    replaces: str | None = None
    replaces_seq: int | None = None

    @property
    def final(self) -> bool:
        """Whether this attempt has ended for good."""
        return self.state in FINAL

    @property
    def delayed(self) -> bool:
        """Whether it is not to start yet: it has no place in the order, and is parked as soon as it is accepted."""
        return self.due is not None and self.state == "accepted"

    @property
    def sender(self) -> Person | None:
        """Who asked for it, where somebody did."""
        return Person(self.sender_id, self.sender_name or "") if self.sender_id is not None else None


def context(job: Job) -> dict[str, Any]:
    """What a message that this job writes is about: `task`, the `message` (its seq) and `person` it concerns, and the
    message it `replaces`.
    """
    known = {"task": job.task, "message": job.message, "person": job.sender_name, "replaces": job.replaces_seq}
    return {key: value for key, value in known.items() if value is not None}


def view(job: Job, state: str | None = None, with_text: bool = True) -> JobView:
    """The job as clients see it, in this state instead of its own where one is given.

    `with_text`: with what people have seen of its text so far. An outcome that waits for its turn is not shown: until it
    is delivered the job counts as running.
    """
    shown = job.delivered or job.state not in FINAL
    seen = JobView(
        room=job.room,
        id=job.id,
        key=job.key,
        task=job.task,
        path=job.path,
        state=state or (job.state if shown else "running"),
        attempt=job.attempt,
        message=job.message,
        sender=job.sender,
        at=rfc3339(job.at),
        text=job.text if with_text else None,
        replaces=job.replaces,
    )
    if shown:
        seen.ms = round(job.ms, 2) if job.ms is not None else None
        seen.result = raw(job.result)
        seen.error = raw(public_error(job.error))
    if job.progress is not None and job.state not in FINAL:
        seen.progress = raw(job.progress)
    if job.due is not None and job.state == "accepted":
        seen.due = rfc3339(job.due)
    return seen


def error_text(error: JobError) -> str:
    """An error as the ledger keeps it, with the end of its traceback: a worker may have sent more than fits."""
    if error.traceback is not None:
        error.traceback = error.traceback.encode("utf-8", "replace")[-MAX_TRACEBACK_BYTES:].decode("utf-8", "ignore")
    return msgspec.json.encode(error).decode()


def public_error(text: str | None) -> str | None:
    """An error as clients see it: without what is for whoever wrote or runs the task."""
    if text is None or not ('"traceback"' in text or '"status"' in text):
        return text
    error = msgspec.json.decode(text, type=JobError)
    error.traceback = error.status = None
    return msgspec.json.encode(error).decode()


def raw(text: str | None) -> Raw | None:
    """JSON text, to be written as it is."""
    return None if text is None else Raw(text.encode())


def with_error(job: Job, error: JobError) -> str:
    """The errors of a job's attempts so far with one more, as JSON text."""
    before = msgspec.json.decode(job.errors or "[]")
    return msgspec.json.encode(
        [*before, {"attempt": job.attempt, "code": error.code, "message": error.message}]
    ).decode()
