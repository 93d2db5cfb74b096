"""The ledger: the durable record of jobs. Rows of the hot path are made here, and everything rare is asked here."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, case, func, select, text

from app.jobs.job import Job
from app.store.operation import Rows, add_row
from app.store.prepared import Prepared
from app.store.schema import callbacks, jobs, marks, pieces, rooms
from app.store.statements import JOB_COLUMNS, LIFE_COLUMNS, PARK_COLUMNS, SETTLE_COLUMNS, START_COLUMNS

FIND_BY_KEY = f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs WHERE room = ? AND sender_id = ? AND key = ?"  # noqa: S608 - our names
_DELAYED = "due IS NOT NULL AND state = 'accepted'"
_AT_BROKER = f"n NOT IN (SELECT n FROM jobs WHERE {_DELAYED})"  # noqa: S608 - our own words
AT_ONCE = 500  # rows of one look at a long list

_start_row = attrgetter(*START_COLUMNS, "n")
_settle_row = attrgetter(*SETTLE_COLUMNS, "n")
_park_row = attrgetter(*PARK_COLUMNS, "n")
_life_row = attrgetter(*LIFE_COLUMNS, "n")
_delayed = text(_DELAYED)


# What operations write


def insert(rows: Rows, job: Job) -> None:
    """Put the job into the ledger."""
    add_row(rows, "job", msgspec.structs.astuple(job))


def start(rows: Rows, job: Job) -> None:
    """Record that it runs, and on which path."""
    add_row(rows, "start", _start_row(job))


def settle(rows: Rows, job: Job) -> None:
    """Record how it ended."""
    add_row(rows, "settle", _settle_row(job))


def park(rows: Rows, job: Job) -> None:
    """Record that the broker has this attempt, and where."""
    add_row(rows, "park", _park_row(job))


def update(rows: Rows, job: Job) -> None:
    """Record everything that may change in a job's life."""
    add_row(rows, "life", _life_row(job))


def move(rows: Rows, n: int, job: Job) -> None:
    """Record that the job at this place has another one, and counts from another time."""
    add_row(rows, "move", (job.n, job.at, n))


def write(rows: Rows, written: int, job: Job, place: int, text: str) -> None:
    """Record that the text of the running attempt goes on like this."""
    add_row(rows, "piece", (written, job.n, place, job.attempt, text))


def forget_pieces(rows: Rows, job: Job, oldest: int) -> None:
    """The attempt is over: what people have seen of its text is in the job's own row. `oldest` is when the oldest piece
    was written that somebody else may need.
    """
    add_row(rows, "pieces gone", (job.n, oldest))


def must_be_dead(rows: Rows, job: Job) -> None:
    """Store nothing of this, and report a conflict, unless the ledger has the job as a dead letter."""
    add_row(rows, "dead", (job.id,))


def mark_unfinished(rows: Rows, n: int) -> None:
    """Record that no job below this place is unfinished, but for parked ones: a start looks from there on."""
    add_row(rows, "mark", ("unfinished", n))


# What is asked


def from_row(row: Row[Any]) -> Job:
    """The row as a Job."""
    return from_values(row)


def from_values(values: Iterable[Any]) -> Job:
    """The job with these columns, in their order; SQLite keeps booleans as 0 and 1."""
    job = Job(**dict(zip(JOB_COLUMNS, values, strict=True)))
    job.parked, job.delivered, job.dead = bool(job.parked), bool(job.delivered), bool(job.dead)
    return job


def find(connection: Connection, id: str) -> Job | None:
    """The job, or None."""
    row = connection.execute(select(jobs).where(jobs.c.id == id)).first()
    return from_row(row) if row else None


def find_all(connection: Connection, ids: Iterable[str]) -> list[Job]:
    """The jobs with these IDs."""
    return [from_row(row) for row in connection.execute(select(jobs).where(jobs.c.id.in_(list(ids))))]


def unfinished(connection: Connection, names: list[str] | None = None) -> tuple[list[Job], int]:
    """Every job that is not delivered and not parked, in the order of acceptance; and the newest place given.

    With names: those of these rooms.
    """
    newest = connection.execute(select(func.max(jobs.c.n))).scalar() or 0
    if names is not None:
        mine = select(jobs).where(~jobs.c.delivered, jobs.c.room.in_(names), ~jobs.c.parked).order_by(jobs.c.n)
        return [from_row(row) for row in connection.execute(mine)], newest
    mark = connection.execute(select(marks.c.n).where(marks.c.name == "unfinished")).scalar() or 0
    query = select(jobs).where(jobs.c.n >= mark, ~jobs.c.delivered, ~jobs.c.parked).order_by(jobs.c.n)
    return [from_row(row) for row in connection.execute(query)], newest


def texts(connection: Connection, places: Iterable[int]) -> dict[int, tuple[int, str]]:
    """What the running attempts of these jobs have written, by the job's place: attempt and text."""
    found: dict[int, tuple[int, str]] = {}
    wanted = select(pieces).where(pieces.c.n.in_(list(places)))
    for row in connection.execute(wanted.order_by(pieces.c.n, pieces.c.attempt, pieces.c.place)):
        attempt, text = found.get(row.n, (row.attempt, ""))
        found[row.n] = row.attempt, (text[: row.place] if attempt == row.attempt else "") + row.text
    return found


def unfinished_of(connection: Connection, room: str) -> list[Job]:
    """Every job of a room that is not delivered and not parked, with what people have seen of its text."""
    found = unfinished(connection, [room])[0]
    written = texts(connection, [job.n for job in found])
    for job in found:
        _, text = written.get(job.n, (0, ""))
        if len(text) > len(job.text or ""):
            job.text = text
    return found


def parked_places(
    connection: Connection, tasks: Iterable[str], names: list[str] | None = None
) -> tuple[dict[tuple[str, str], array[int]], int]:
    """The places of all jobs of these tasks at the broker in order, by room and task; and how many are parked in all.

    With names: those of these rooms.

    Read row by row from an index alone: a million of them must cost neither a list nor a second.
    """
    places: dict[tuple[str, str], array[int]] = {}
    if names is not None:
        found = connection.execute(
            select(jobs.c.room, jobs.c.task, jobs.c.n)
            .where(jobs.c.parked, jobs.c.room.in_(names), jobs.c.task.in_(list(tasks)), text(_AT_BROKER))
            .order_by(jobs.c.n)
        )
        for room, task, n in found:
            places.setdefault((room, task), array("q")).append(n)
        mine = select(func.count()).where(jobs.c.parked, jobs.c.room.in_(names))
        return places, connection.execute(mine).scalar_one()
    for task in tasks:
        for room, n in _parked_places.each(connection, task=task):
            known = places.get((room, task))
            if known is None:
                known = places[room, task] = array("q")
            known.append(n)
    total = connection.execute(select(func.count()).where(jobs.c.parked)).scalar_one()
    return places, total


def overdue_parked(
    connection: Connection, now: float, owner: str | None = None, paused: Iterable[str] = ()
) -> list[str]:
    """IDs of parked jobs past their deadline, at most 500; of the rooms of this owner, where one is named.

    Not those of `paused` tasks, whose deadlines stand still.
    """
    query = select(jobs.c.id).where(jobs.c.parked, jobs.c.deadline < now, *_owned(owner)).limit(AT_ONCE)
    if paused:
        query = query.where(jobs.c.task.not_in(list(paused)))
    return list(connection.execute(query).scalars())


def hold_back(
    connection: Connection,
    places: list[tuple[int, int]],
    tasks: list[str] | None = None,
    owner: str | None = None,
    running: Sequence[int] = (),
) -> None:
    """Note that the broker has none of the parked jobs at these places of its streams any more.

    Of these tasks, or of all; and of the rooms of this owner, where one is named. Nor has it those of `running`, by their
    places in the order of acceptance.
    """
    for before, newest in places:
        there = (jobs.c.parked, jobs.c.state == "accepted", jobs.c.stream_seq.between(before, newest))
        which = there if tasks is None else (*there, jobs.c.task.in_(tasks))
        connection.execute(jobs.update().where(*which, *_owned(owner)).values(published=0, stream_seq=None))
    for first in range(0, len(running), AT_ONCE):
        those = (jobs.c.n.in_(running[first : first + AT_ONCE]), jobs.c.state == "running")
        connection.execute(jobs.update().where(*those).values(published=0, stream_seq=None))


def at_broker(connection: Connection, tasks: list[str], names: list[str] | None) -> list[tuple[str, str, int]]:
    """ID, task and attempt of each parked job of these tasks that the broker has; in these rooms, where they are named."""
    has = (jobs.c.parked, jobs.c.stream_seq.is_not(None), jobs.c.task.in_(tasks))
    query = select(jobs.c.id, jobs.c.task, jobs.c.attempt).where(*has)
    if names is not None:
        query = query.where(jobs.c.room.in_(names))
    return [tuple(row) for row in connection.execute(query)]


def unended(connection: Connection, ids: list[str], owner: str | None) -> set[str]:
    """Those of these jobs that are unfinished; in this owner's rooms, where one is named."""
    query = select(jobs.c.id).where(jobs.c.id.in_(ids), ~jobs.c.delivered, *_owned(owner))
    return set(connection.execute(query).scalars())


def held_back(connection: Connection, tasks: list[str], owner: str | None = None) -> list[str]:
    """IDs of jobs of these tasks that are kept here alone and wait for nothing, the oldest first, at most 500."""
    kept = (*_kept_alone(), jobs.c.task.in_(tasks), *_owned(owner))
    return list(connection.execute(select(jobs.c.id).where(*kept).order_by(jobs.c.n).limit(AT_ONCE)).scalars())


def count_held_back(connection: Connection, tasks: list[str], owner: str | None = None) -> int:
    """How many these are."""
    kept = (*_kept_alone(), jobs.c.task.in_(tasks), *_owned(owner))
    return connection.execute(select(func.count()).where(*kept)).scalar_one()


def _kept_alone() -> tuple[Any, ...]:
    return jobs.c.parked, jobs.c.stream_seq.is_(None), jobs.c.due.is_(None), jobs.c.state == "accepted"


def stood_still(connection: Connection, tasks: list[str], since: float, until: float) -> None:
    """Move the deadlines of what waited of these tasks, which were paused from `since` until `until`."""
    begun = case((jobs.c.at > since, jobs.c.at), else_=since)
    begun = case((func.coalesce(jobs.c.due, 0.0) > begun, jobs.c.due), else_=begun)
    waited = (~jobs.c.delivered, jobs.c.state.in_(("accepted", "retrying")), jobs.c.task.in_(tasks), begun < until)
    connection.execute(jobs.update().where(*waited).values(deadline=jobs.c.deadline + (until - begun)))


def due_by(connection: Connection, now: float, owner: str | None = None) -> list[str]:
    """IDs of delayed jobs whose time has come, the first first, at most 500; of this owner's rooms, where one is named."""
    query = select(jobs.c.id).where(_delayed, jobs.c.due <= now, *_owned(owner)).order_by(jobs.c.due).limit(AT_ONCE)
    return list(connection.execute(query).scalars())


def next_due(connection: Connection, owner: str | None = None) -> float | None:
    """When the next delayed job is due, or None."""
    query = select(jobs.c.due).where(_delayed, *_owned(owner)).order_by(jobs.c.due).limit(1)
    return connection.execute(query).scalar()


def _owned(owner: str | None) -> list[Any]:
    """The condition that a job's room is this process's; none where every room is."""
    return [] if owner is None else [jobs.c.room.in_(select(rooms.c.name).where(rooms.c.owner == owner))]


def is_any_at_broker(connection: Connection) -> bool:
    """Whether the broker has one of the parked jobs."""
    query = select(jobs.c.n).where(jobs.c.parked, jobs.c.stream_seq.is_not(None)).limit(1)
    return connection.execute(query).first() is not None


def parked_at(connection: Connection, stream_seq: int) -> str | None:
    """ID of the parked job whose attempt is at this place on the stream of jobs, or None."""
    query = select(jobs.c.id).where(jobs.c.parked, jobs.c.stream_seq == stream_seq)
    return connection.execute(query).scalar()


def oldest_at_broker(connection: Connection, paused: list[str]) -> float | None:
    """When the job was accepted that has been parked on the stream of jobs for longest; None when there is none.

    Not those of `paused` tasks.
    """
    place = select(jobs.c.at).where(jobs.c.parked, jobs.c.stream_seq.is_not(None), jobs.c.task.not_in(paused))
    return connection.execute(place.order_by(jobs.c.stream_seq).limit(1)).scalar()


def delayed_of(connection: Connection, room: str, sender: str) -> int:
    """How many jobs of this person wait for their time in a room."""
    theirs = jobs.c.due.is_not(None), jobs.c.state == "accepted", jobs.c.room == room, jobs.c.sender_id == sender
    return connection.execute(select(func.count()).where(*theirs)).scalar() or 0


def has_key(connection: Connection, room: str, sender: str, key: str) -> bool:
    """Whether this person has asked for a job under this key in the room."""
    theirs = jobs.c.room == room, jobs.c.sender_id == sender, jobs.c.key == key
    return connection.execute(select(jobs.c.n).where(*theirs)).first() is not None


def parked_by_path(connection: Connection) -> list[tuple[str, str, int]]:
    """How many jobs are parked, by task and path."""
    query = select(jobs.c.task, jobs.c.path, func.count()).where(jobs.c.parked)
    return [tuple(row) for row in connection.execute(query.group_by(jobs.c.task, jobs.c.path))]


def cancelled_since(connection: Connection, since: float) -> list[str]:
    """The newest jobs of the queue cancelled since then: workers may still meet them there."""
    query = select(jobs.c.id, jobs.c.state, jobs.c.finished, jobs.c.path).order_by(jobs.c.n.desc()).limit(20_000)
    return [
        id
        for id, state, finished, path in connection.execute(query)
        if state == "cancelled" and path == "queued" and (finished or 0) >= since
    ]


def shift_clock(connection: Connection, seconds: float, owner: str | None = None) -> None:
    """Move what was issued before the wall clock jumped by so much: deadlines, delays and retries are durations."""
    unfinished = jobs.c.parked | (~jobs.c.delivered & (jobs.c.n >= func.coalesce(_mark, 0)))
    which: Any = unfinished if owner is None else ~jobs.c.delivered
    connection.execute(
        jobs.update().where(which, *_owned(owner)).values(deadline=jobs.c.deadline + seconds, due=jobs.c.due + seconds)
    )
    waiting = callbacks.update().where(callbacks.c.due.is_not(None))
    if owner is not None:
        waiting = waiting.where(callbacks.c.room.in_(select(rooms.c.name).where(rooms.c.owner == owner)))
    connection.execute(waiting.values(due=callbacks.c.due + seconds, since=callbacks.c.since + seconds))


_mark = select(marks.c.n).where(marks.c.name == "unfinished").scalar_subquery()


def of_messages(connection: Connection, room: str, first: int, last: int, wrote: list[str], limit: int) -> list[Job]:
    """Jobs that belong to the messages from `first` to `last`: those they started, and those that wrote them."""
    rows = _of_messages.all(connection, room=room, first=first, last=last, limit=limit)
    found = {job.n: job for job in map(from_values, rows)}
    if wrote:
        found.update((job.n, job) for job in find_all(connection, wrote))
    return [found[n] for n in sorted(found)[:limit]]


def parked_of(connection: Connection, room: str, after: int, limit: int) -> list[Job]:
    """Parked jobs of a room, after place `after`."""
    found = _parked_of.all(connection, room=room, after=after, limit=limit)
    return [from_values(row) for row in found]


def place_of(connection: Connection, room: str, id: str) -> int | None:
    """The place of this room's job in the order of acceptance, or None."""
    return connection.execute(select(jobs.c.n).where(jobs.c.id == id, jobs.c.room == room)).scalar()


def newest(connection: Connection, limit: int) -> list[Job]:
    """The newest jobs, newest first."""
    return [from_row(row) for row in connection.execute(select(jobs).order_by(jobs.c.n.desc()).limit(limit))]


def by_minute(connection: Connection, since: float) -> list[tuple[int, str, str, str, int]]:
    """Jobs accepted since then, counted by minute since 1970, task, path and state."""
    # A job's place is made of the time of its acceptance (app/ids.py), and the primary key's index has it in order.
    minute = jobs.c.n // (60_000_000 << 10)
    query = (
        select(minute, jobs.c.task, jobs.c.path, jobs.c.state, func.count())
        .where(jobs.c.n >= int(since * 1e6) << 10, jobs.c.at >= since)
        .group_by(minute, jobs.c.task, jobs.c.path, jobs.c.state)
        .order_by(minute)
    )
    return [tuple(row) for row in connection.execute(query)]


_of_messages = Prepared(
    select(jobs)
    .where(jobs.c.room == bindparam("room"), jobs.c.message.between(bindparam("first"), bindparam("last")))
    .where(jobs.c.message.is_not(None))
    .order_by(jobs.c.n)
    .limit(bindparam("limit"))
)
_parked_places = Prepared(
    select(jobs.c.room, jobs.c.n)
    .where(jobs.c.parked, jobs.c.task == bindparam("task"), text(_AT_BROKER))
    .order_by(jobs.c.room, jobs.c.n)
)
_parked_of = Prepared(
    select(jobs)
    .where(jobs.c.parked, jobs.c.room == bindparam("room"), jobs.c.n > bindparam("after"))
    .order_by(jobs.c.n)
    .limit(bindparam("limit"))
)
