"""Dead letters: jobs no attempt will complete, and messages nobody could read. Kept until replayed or dropped."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from app.ids import rfc3339
from app.jobs import ledger
from app.jobs.job import Job
from app.payload import Refused
from app.store.tables import jobs, letters
from app.tasks import Task

MOST = 500  # in one list, the newest


def bury(connection: Connection, id: str, subject: str, payload: str, error: str, now: float) -> None:
    """Keep a message that is no job of ours, as text; once, for `id` is the same each time it is delivered."""
    if connection.execute(select(letters.c.id).where(letters.c.id == id)).first() is None:
        values = {"id": id, "subject": subject, "payload": payload, "error": error, "at": now}
        connection.execute(insert(letters), values)


def every(connection: Connection) -> list[dict[str, Any]]:
    """All dead letters as operators see them, the newest first."""
    dead = connection.execute(select(jobs).where(jobs.c.dead).order_by(jobs.c.n.desc()).limit(MOST))
    others = connection.execute(select(letters).order_by(letters.c.at.desc()).limit(MOST))
    found = [_of_job(ledger.from_row(row)) for row in dead] + [_of_letter(row._mapping) for row in others]
    return sorted(found, key=lambda letter: letter["at"], reverse=True)[:MOST]


def find(connection: Connection, id: str) -> dict[str, Any] | None:
    """One dead letter, or None."""
    job = ledger.find(connection, id)
    if job is not None:
        return _of_job(job) if job.dead else None
    row = connection.execute(select(letters).where(letters.c.id == id)).first()
    return _of_letter(row._mapping) if row else None


def count(connection: Connection) -> int:
    """How many there are."""
    of_jobs = connection.execute(select(func.count()).where(jobs.c.dead)).scalar_one()
    return int(of_jobs + connection.execute(select(func.count()).select_from(letters)).scalar_one())


def replay(connection: Connection, id: str, tasks: dict[str, Task], now: float) -> Job | Refused:
    """Give a dead job its attempts once more, from the next number on, and a new deadline."""
    job = ledger.find(connection, id)
    if job is None or not job.dead:
        letter = find(connection, id)
        if letter is None:
            return Refused("not_found", "there is no such dead letter")
        return Refused("conflict", "this message is no job and cannot be replayed: it can be dropped")
    task = tasks.get(job.task)
    if task is None:
        return Refused("conflict", f"there is no task {job.task} any more: the dead letter can only be dropped")
    return ledger.change(
        connection,
        job,
        state="accepted",
        attempt=job.attempt + 1,
        attempts=job.attempt + task.attempts,
        deadline=now + task.deadline,
        dead=False,
        delivered=False,
        error=None,
        finished=None,
        started=None,
        errors=_errors_so_far(job),
    )


def drop(connection: Connection, id: str) -> bool:
    """Forget a dead letter; its job stays failed. Says whether there was one."""
    job = ledger.find(connection, id)
    if job is not None and job.dead:
        ledger.change(connection, job, dead=False)
        return True
    return bool(connection.execute(delete(letters).where(letters.c.id == id)).rowcount)


def _errors_so_far(job: Job) -> str:
    last = {"attempt": job.attempt, **msgspec.json.decode(job.error or "{}")}
    return msgspec.json.encode([*msgspec.json.decode(job.errors or "[]"), last]).decode()


def _of_job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": "job",
        "task": job.task,
        "room": job.room,
        "path": job.path,
        "attempts": job.attempt,
        "error": msgspec.json.decode(job.error or "null"),
        "errors": msgspec.json.decode(job.errors or "[]"),
        "args": msgspec.json.decode(job.args),
        "trace": job.trace,
        "at": rfc3339(job.finished or job.at),
    }


def _of_letter(letter: Any) -> dict[str, Any]:
    return {
        "id": letter["id"],
        "kind": "message",
        "subject": letter["subject"],
        "error": {
            "code": "undecodable" if ".dead." in f".{letter['subject']}" else "advisory",
            "message": letter["error"],
        },
        "args": letter["payload"],
        "at": rfc3339(letter["at"]),
    }
