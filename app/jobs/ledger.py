"""The ledger: the durable record of jobs. Every function works inside a transaction that its caller commits."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Row,
    Select,
    Update,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    union,
    update,
)

from app.jobs.job import UNFINISHED, Job
from app.messages import Message
from app.store.tables import jobs, rooms

_room_seq = select(rooms.c.seq).where(rooms.c.name == jobs.c.room).scalar_subquery()
_changed = func.coalesce(_room_seq, 0)


def from_row(row: Row[Any]) -> Job:
    """The row as a Job."""
    return Job(**row._mapping)


def add(connection: Connection, new: Iterable[Job]) -> None:
    """Put the jobs into the ledger; in the order of acceptance."""
    rows = [msgspec.structs.asdict(job) for job in new]
    for row in rows:
        del row["n"]  # the database counts
    if rows:
        connection.execute(_insert, rows)


def find(connection: Connection, id: str) -> Job | None:
    """The job, or None."""
    row = connection.execute(_by_id, {"i": id}).first()
    return from_row(row) if row else None


def find_all(connection: Connection, ids: list[str]) -> list[Job]:
    """The jobs with these IDs."""
    return [from_row(row) for row in connection.execute(select(jobs).where(jobs.c.id.in_(ids)))]


def find_by_key(connection: Connection, room: str, sender: str, key: str) -> Job | None:
    """The job that this person already asked for under this key, or None."""
    row = connection.execute(_by_key, {"r": room, "s": sender, "k": key}).first()
    return from_row(row) if row else None


def change(connection: Connection, job: Job, **values: Any) -> Job:
    """Record new values of a job, and that it changed after the room's newest message; returns the job as it is now."""
    connection.execute(
        _change(tuple(values)), {"this": job.id, **{f"new_{name}": value for name, value in values.items()}}
    )
    return msgspec.structs.replace(job, **values)


def move(connection: Connection, job: Job, path: str) -> Job | None:
    """Put this attempt on another path and return the job, or None when it is no longer wanted (cancelled, superseded)."""
    row = connection.execute(_move, {"i": job.id, "a": job.attempt, "p": path}).first()
    return from_row(row) if row else None


def start(connection: Connection, id: str, attempt: int, now: float) -> Job | None:
    """Mark this attempt as running and return the job, or None when it is no longer wanted (cancelled, superseded)."""
    row = connection.execute(_start, {"i": id, "a": attempt, "now": now}).first()
    return from_row(row) if row else None


def note_running(connection: Connection, id: str, attempt: int, progress: str | None, now: float) -> Job | None:
    """Record what a worker says of a run that goes on; returns the job as it is now, or None when that is no news."""
    job = find(connection, id)
    if job is None or job.final or job.attempt != attempt or (job.state == "running" and progress is None):
        return None
    values: dict[str, Any] = {"state": "running", "started": now, "due": None} if job.state != "running" else {}
    return change(connection, job, progress=progress, **values)


def undelivered(connection: Connection, room: str, task: str) -> list[Job]:
    """The two oldest jobs of one room and task that were not shown yet."""
    return [from_row(row) for row in connection.execute(_undelivered, {"r": room, "t": task})]


def unfinished(connection: Connection) -> list[Job]:
    """Every job that is not final, oldest first."""
    return [from_row(row) for row in connection.execute(_unfinished)]


def under_way(connection: Connection) -> list[tuple[str, str, int]]:
    """How many jobs are not final, by task and path."""
    return [tuple(row) for row in connection.execute(_under_way)]


def overdue(connection: Connection, now: float) -> list[Job]:
    """Jobs that are not final past their deadline, the latest first, at most 100."""
    query = select(jobs).where(_is_unfinished, jobs.c.deadline < now).order_by(jobs.c.deadline).limit(100)
    return [from_row(row) for row in connection.execute(query)]


def published(connection: Connection, attempts: Iterable[tuple[str, int, int]]) -> None:
    """Record that the broker has these (job, attempt), and where: they are not published again. At least one."""
    connection.execute(_published, [{"i": id, "a": attempt, "s": seq} for id, attempt, seq in attempts])


def at_stream_seq(connection: Connection, seq: int) -> Job | None:
    """The unfinished job whose attempt is there on the stream of jobs, or None."""
    row = connection.execute(select(jobs).where(jobs.c.stream_seq == seq, jobs.c.state.in_(UNFINISHED))).first()
    return from_row(row) if row else None


def put_back(connection: Connection, ids: list[str]) -> None:
    """Give attempts that a stopping process did not finish to the next start, without counting them."""
    connection.execute(
        update(jobs).where(jobs.c.id.in_(ids), jobs.c.state == "running").values(state="accepted", changed=_changed)
    )


def cancelled_since(connection: Connection, since: float) -> list[str]:
    """Jobs of the queue cancelled since then: workers may still meet them there."""
    query = select(jobs.c.id).where(jobs.c.state == "cancelled", jobs.c.published > 0, jobs.c.finished >= since)
    return list(connection.execute(query).scalars())


def for_join(connection: Connection, room: str, seen: list[Message], after: int | None) -> list[Job]:
    """Jobs somebody who joins must know: unfinished, of these messages, and changed since message `after`."""
    here = select(jobs.c.n).where(jobs.c.room == room)
    # What is unfinished was not shown either. Every task is past "": said so that job_undelivered, which has room and
    # task, fits better than the other indexes that begin with the room.
    wanted = [*_of(room, seen), here.where(~jobs.c.delivered, jobs.c.task >= "")]
    if after is not None:
        wanted.append(here.where(jobs.c.changed >= after))
    return _any_of(connection, wanted)


def of_messages(connection: Connection, room: str, seen: list[Message]) -> list[Job]:
    """Jobs that belong to these messages: those they started, and those that wrote them."""
    return _any_of(connection, _of(room, seen))


def _of(room: str, seen: list[Message]) -> list[Select[tuple[int]]]:
    wrote = [message.job for message in seen if message.job is not None]
    return [
        select(jobs.c.n).where(jobs.c.room == room, jobs.c.message.in_([message.seq for message in seen])),
        select(jobs.c.n).where(jobs.c.id.in_(wrote)),
    ]


def _any_of(connection: Connection, wanted: list[Select[tuple[int]]]) -> list[Job]:
    """Jobs that one of these finds, each by an index: with OR SQLite would look at every job the room ever had."""
    query = select(jobs).where(jobs.c.n.in_(union(*wanted))).order_by(jobs.c.n)
    return [from_row(row) for row in connection.execute(query)]


def newest(connection: Connection, limit: int) -> list[Job]:
    """The newest jobs, newest first."""
    return [from_row(row) for row in connection.execute(select(jobs).order_by(jobs.c.n.desc()).limit(limit))]


def by_minute(connection: Connection, since: float) -> list[tuple[int, str, str, str, int]]:
    """Jobs accepted since then, counted by minute since 1970, task, path and state."""
    minute = func.cast(jobs.c.at / 60, jobs.c.n.type)
    query = (
        select(minute, jobs.c.task, jobs.c.path, jobs.c.state, func.count())
        .where(jobs.c.at >= since)
        .group_by(minute, jobs.c.task, jobs.c.path, jobs.c.state)
        .order_by(minute)
    )
    return [tuple(row) for row in connection.execute(query)]


@lru_cache(maxsize=64)
def _change(names: tuple[str, ...]) -> Update:
    """The statement that changes these columns: made once, for making it takes longer than running it."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(jobs).where(jobs.c.id == bindparam("this")).values(changed=_changed, **values)


# Written out as in the index job_unfinished: with bound values SQLite would look at every job there ever was.
_is_unfinished = jobs.c.state.in_([literal_column(f"'{state}'") for state in UNFINISHED])
_start = (
    update(jobs)
    .where(jobs.c.id == bindparam("i"), jobs.c.attempt == bindparam("a"), jobs.c.state.in_(UNFINISHED))
    .values(state="running", started=bindparam("now"), due=None, changed=_changed)
    .returning(*jobs.c)
)
_move = (
    update(jobs)
    .where(jobs.c.id == bindparam("i"), jobs.c.attempt == bindparam("a"), jobs.c.state.in_(UNFINISHED))
    .values(state="accepted", path=bindparam("p"), changed=_changed)
    .returning(*jobs.c)
)
_insert = insert(jobs)
_by_id = select(jobs).where(jobs.c.id == bindparam("i"))
_by_key = select(jobs).where(
    jobs.c.room == bindparam("r"), jobs.c.sender_id == bindparam("s"), jobs.c.key == bindparam("k")
)
_undelivered = (
    select(jobs)
    .where(jobs.c.room == bindparam("r"), jobs.c.task == bindparam("t"), ~jobs.c.delivered)
    .order_by(jobs.c.n)
    .limit(2)
)
# Not by n itself: SQLite would rather walk through all jobs in that order than sort the few.
_unfinished = select(jobs).where(_is_unfinished).order_by(jobs.c.n + 0)
_under_way = select(jobs.c.task, jobs.c.path, func.count()).where(_is_unfinished).group_by(jobs.c.task, jobs.c.path)
_published = (
    update(jobs)
    .where(jobs.c.id == bindparam("i"), jobs.c.published < bindparam("a"), _is_unfinished)
    .values(published=bindparam("a"), stream_seq=bindparam("s"))
)
