"""Callbacks as the database has them: from the commit of their job's outcome until they are taken, or dropped."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, text, update

from app.callbacks.address import target_of
from app.callbacks.subjects import SCHEME
from app.ids import rfc3339
from app.jobs.job import Job, view
from app.payload import Refused
from app.store.operation import Rows, add_row
from app.store.schema import callbacks, rooms

FAILED = "callback_failed"  # error code of the dead letter


class Callback(msgspec.Struct):
    """One outcome on its way; the fields are the columns of the table, in their order."""

    id: str
    job: str
    attempt: int
    task: str
    room: str
    state: str
    seconds: float
    url: str
    host: str
    body: str
    since: float
    tries: int = 0
    due: float | None = None
    error: str | None = None


def record(rows: Rows, job: Job) -> None:
    """Have the outcome of this job sent, from this commit on."""
    now, url = time.time(), job.callback or ""
    body = msgspec.json.encode(view(job)).decode()
    about = (f"{job.id}.{job.attempt}", job.id, job.attempt, job.task, job.room, job.state, (job.ms or 0.0) / 1000)
    add_row(rows, "callback", (*about, url, host_of(url), body, now, 0, now, None))


def host_of(url: str) -> str:
    """What may be said of the address: its host, or its NATS subject."""
    if url.startswith(SCHEME):
        return url
    try:
        return target_of(url).host
    except Refused:  # it was accepted by an earlier release
        return "?"


# What is to be sent


def next_to_try(
    connection: Connection, now: float, hosts: Collection[str], ids: Collection[str], owner: str | None = None
) -> Callback | None:
    """The callback that is due for longest, of none of these hosts and none of these itself.

    Of the rooms of this process, where one is named: several may share a database.
    """
    query = select(callbacks).where(*_waiting(hosts, ids, owner), callbacks.c.due <= now)
    row = connection.execute(query.order_by(callbacks.c.due).limit(1)).first()
    return Callback(*row) if row is not None else None


def next_due(
    connection: Connection, hosts: Collection[str], ids: Collection[str], owner: str | None = None
) -> float | None:
    """When the next of the others is due, or None."""
    query = select(callbacks.c.due).where(*_waiting(hosts, ids, owner)).order_by(callbacks.c.due).limit(1)
    return connection.execute(query).scalar()


def _waiting(hosts: Collection[str], ids: Collection[str], owner: str | None) -> tuple[Any, ...]:
    waiting = text("due is not null"), callbacks.c.host.not_in(hosts), callbacks.c.id.not_in(ids)
    if owner is None:
        return waiting
    return *waiting, callbacks.c.room.in_(select(rooms.c.name).where(rooms.c.owner == owner))


def forget(connection: Connection, id: str) -> bool:
    """It needs not be sent any more; says whether it was there."""
    return bool(connection.execute(delete(callbacks).where(callbacks.c.id == id)).rowcount)


def note_failure(connection: Connection, callback: Callback, error: str, due: float | None) -> None:
    """A try failed: the next is made at this time, or none any more, and it is a dead letter."""
    values = {"tries": callback.tries + 1, "due": due, "error": error}
    connection.execute(update(callbacks).where(callbacks.c.id == callback.id).values(**values))


def try_again(connection: Connection, id: str) -> str | None:
    """Send a dead letter once more, with all its time; returns its body, or None when there is no such letter."""
    now = time.time()
    change = update(callbacks).where(callbacks.c.id == id, _dead).values(since=now, tries=0, due=now)
    return connection.execute(change.returning(callbacks.c.body)).scalar()


# Dead letters


def dead(connection: Connection, task: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest that were given up, as operators see them: all, or those of a task."""
    query = select(callbacks).where(_dead).order_by(callbacks.c.since.desc()).limit(limit)
    if task is not None:
        query = query.where(callbacks.c.task == task)
    return [_letter(Callback(*row)) for row in connection.execute(query)]


def find_dead(connection: Connection, id: str) -> dict[str, Any] | None:
    """One that was given up, or None."""
    row = connection.execute(select(callbacks).where(callbacks.c.id == id, _dead)).first()
    return _letter(Callback(*row)) if row is not None else None


def dead_beginning_like(connection: Connection, id: str, limit: int) -> list[str]:
    """IDs of those given up that begin like this."""
    query = select(callbacks.c.id).where(_dead, callbacks.c.id.startswith(id, autoescape=True)).limit(limit)
    return list(connection.execute(query).scalars())


def count_dead(connection: Connection) -> int:
    """How many were given up."""
    return int(connection.execute(select(func.count()).select_from(callbacks).where(_dead)).scalar_one())


def drop_dead(connection: Connection, id: str) -> bool:
    """Forget one that was given up; says whether there was one."""
    return bool(connection.execute(delete(callbacks).where(callbacks.c.id == id, _dead)).rowcount)


def _letter(callback: Callback) -> dict[str, Any]:
    return {
        "id": callback.id,
        "kind": "callback",
        "job": callback.job,
        "task": callback.task,
        "room": callback.room,
        "host": callback.host,
        "attempts": callback.tries,
        "error": {"code": FAILED, "message": callback.error or ""},
        "at": rfc3339(callback.since),
    }


_dead = text("due is null")
