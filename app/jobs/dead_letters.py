"""Dead letters: jobs no attempt will complete, messages nobody could read, callbacks nobody took.

Kept until replayed or dropped.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, true, update

from app.callbacks import kept as callbacks
from app.contract import JobError
from app.ids import rfc3339, traceparent
from app.jobs import ledger
from app.jobs.job import Job, public_error
from app.payload import Refused
from app.store.portable import json_text
from app.store.schema import jobs, letters

MIN_PREFIX = 6  # characters of an ID that may stand for the whole
MAX_LIST = 500  # letters in one list, the newest


def bury(connection: Connection, id: str, subject: str, payload: str, error: str, now: float) -> None:
    """Keep a message that is no job of ours, as text; once, for `id` is the same each time it is delivered."""
    if connection.execute(select(letters.c.id).where(letters.c.id == id)).first() is None:
        values = {"id": id, "subject": subject, "payload": payload, "error": error, "at": now}
        connection.execute(insert(letters), values)


def every(connection: Connection, task: str | None = None, error: str | None = None) -> list[dict[str, Any]]:
    """The newest MAX_LIST dead letters as operators see them, the newest first: all, or those of a task or an error code."""
    query = select(jobs).where(jobs.c.dead)
    if task is not None:
        query = query.where(jobs.c.task == task)
    if error is not None:
        query = query.where(json_text(jobs.c.error, "code") == error)
    dead = connection.execute(query.order_by(jobs.c.n.desc()).limit(MAX_LIST))
    found = [_of_job(ledger.from_row(row)) for row in dead]
    if error in (None, callbacks.FAILED):
        found += callbacks.dead(connection, task, MAX_LIST)
    if task is None:
        others = connection.execute(select(letters).order_by(letters.c.at.desc()).limit(MAX_LIST))
        found += [letter for row in others if error in (None, (letter := _of_letter(row._mapping))["error"]["code"])]
    return sorted(found, key=lambda letter: letter["at"], reverse=True)[:MAX_LIST]


def look_up(connection: Connection, id: str) -> dict[str, Any] | None:
    """The letter with this ID, or the only one whose ID begins like this; raises Refused when several do."""
    letter = find(connection, id)
    if letter is not None or len(id) < MIN_PREFIX:
        return letter
    ids: list[str] = []
    for table, dead in ((jobs, jobs.c.dead), (letters, true())):
        query = select(table.c.id).where(dead, table.c.id.startswith(id, autoescape=True)).limit(2)
        ids += connection.execute(query).scalars()
    ids += callbacks.dead_beginning_like(connection, id, 2)
    if len(ids) > 1:
        raise Refused("conflict", "several dead letters begin like this: give more of the ID")
    return find(connection, ids[0]) if ids else None


def find(connection: Connection, id: str) -> dict[str, Any] | None:
    """One dead letter, or None."""
    job = ledger.find(connection, id)
    if job is not None:
        return {**_of_job(job), "traceback": _traceback(job)} if job.dead else None
    row = connection.execute(select(letters).where(letters.c.id == id)).first()
    return _of_letter(row._mapping) if row else callbacks.find_dead(connection, id)


def count(connection: Connection) -> int:
    """How many there are."""
    of_jobs = connection.execute(select(func.count()).where(jobs.c.dead)).scalar_one()
    of_messages = connection.execute(select(func.count()).select_from(letters)).scalar_one()
    return int(of_jobs + of_messages) + callbacks.count_dead(connection)


def drop(connection: Connection, id: str) -> bool:
    """Forget a dead letter; its job stays failed. Says whether there was one."""
    of_job = connection.execute(update(jobs).where(jobs.c.id == id, jobs.c.dead).values(dead=False)).rowcount
    of_message = connection.execute(delete(letters).where(letters.c.id == id)).rowcount
    return bool(of_job or of_message) or callbacks.drop_dead(connection, id)


def _of_job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": "job",
        "task": job.task,
        "room": job.room,
        "path": job.path,
        "attempts": job.attempt,
        "error": msgspec.json.decode(public_error(job.error) or "null"),
        "errors": msgspec.json.decode(job.errors or "[]"),
        "args": msgspec.json.decode(job.args),
        "trace": traceparent(job.id),
        "at": rfc3339(job.finished or job.at),
    }


def _traceback(job: Job) -> str | None:
    """Where its last attempt raised; None where nothing did."""
    return msgspec.json.decode(job.error, type=JobError).traceback if job.error is not None else None


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
