"""What is read of a room: its messages, and what somebody who comes back has missed. Queries run in reader threads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, func, or_, select, union_all

from app.auth.grant import ANSWERING
from app.contract import MessageView, Person
from app.ids import rfc3339
from app.jobs import ledger
from app.jobs.job import Job
from app.store.portable import json_text, stored_order
from app.store.prepared import Prepared
from app.store.schema import jobs, messages, rooms
from app.store.statements import MESSAGE_COLUMNS

FIRST_PAGE = 50  # messages somebody sees who joins for the first time
PAGE = 500  # messages in one answer to a join
JOBS_PAGE = 1000  # jobs in one answer
ENDED_TEXTS = 20  # of those that came to an end that somebody sees who joins for the first time

FIND_BY_KEY = f"SELECT {', '.join(MESSAGE_COLUMNS)} FROM messages WHERE room = ? AND sender_id = ? AND key = ?"  # noqa: S608 - our names


class Page(NamedTuple):
    """A part of a room, in which each job is on one page."""

    seq: int  # of the room's newest message
    messages: list[MessageView]
    jobs: list[Job]
    more: bool = False  # there are further messages: join again with the last one of these
    more_jobs: bool = False  # there are further jobs: ask `room:jobs`
    reset: bool = False  # what the client has is not what this room has


class RoomAsKept(NamedTuple):
    """What the database has of a room: its newest `seq`, and the tasks that its people switched on or off."""

    seq: int
    chosen: dict[str, bool]


def message(values: Any) -> MessageView:
    """A stored message as clients see it, without a link to its upload; `values` are its columns in their order."""
    room, seq, id, key, sender_id, sender_name, kind, text, data, upload, job, at = values
    return MessageView(
        room=room,
        seq=seq,
        id=id,
        key=key,
        sender=Person(sender_id, sender_name),
        kind=kind,
        text=text,
        data=msgspec.json.decode(data) if data is not None else None,
        upload=upload,
        job=job,
        at=rfc3339(at),
    )


def newest_seq(connection: Connection, room: str) -> int:
    """The room's newest `seq`; 0 when nothing was ever said."""
    return _room_as_kept(connection, room).seq


def rooms_as_kept(connection: Connection, names: Iterable[str]) -> dict[str, RoomAsKept]:
    """What each of these rooms is in the database, also where nothing was ever said in it."""
    return {name: _room_as_kept(connection, name) for name in names}


def _room_as_kept(connection: Connection, room: str) -> RoomAsKept:
    (found,) = _newest_seq.all(connection, room=room)
    return RoomAsKept(max(found[0] or 0, found[1] or 0), msgspec.json.decode(found[2] or "{}"))


def seq_of_job(connection: Connection, room: str, job: str) -> int | None:
    """The message that a job wrote, or None."""
    query = select(messages.c.seq).where(messages.c.room == room, messages.c.job == job)
    return connection.execute(query.order_by(messages.c.seq.desc()).limit(1)).scalar()


def history(connection: Connection, room: str, limit: int) -> list[dict[str, str]]:
    """What people wrote last, oldest first, as the `history` of a task."""
    query = select(messages.c.sender_name, messages.c.text).where(messages.c.room == room, messages.c.kind == "user")
    found = connection.execute(query.order_by(messages.c.seq.desc()).limit(limit))
    return [{"sender": name, "text": text} for name, text in found][::-1]


def is_answered(connection: Connection, room: str, seq: int, asker: str | None, by_anybody: bool) -> bool:
    """Whether somebody else has written since message `seq`: one of those who answer, or `by_anybody`."""
    query = select(messages.c.seq).where(
        messages.c.room == room, messages.c.seq > seq, messages.c.kind == "user", messages.c.sender_id != asker
    )
    if not by_anybody:
        by_role = json_text(messages.c.data, "role").in_(ANSWERING)
        query = query.where(by_role | json_text(messages.c.data, "draft").is_not(None))
    return connection.execute(query.limit(1)).first() is not None


def newest_by_people(connection: Connection, limit: int) -> list[tuple[str, str, float]]:
    """Room, sender and time of the newest user messages of all rooms, oldest first."""
    newest = select(messages.c.room, messages.c.sender_id, messages.c.at, messages.c.kind)
    # Tasks wrote some of them.
    found = connection.execute(newest.order_by(stored_order(messages.c.at).desc()).limit(limit * 4))
    return [(room, sender, at) for room, sender, at, kind in found if kind == "user"][:limit][::-1]


def older(connection: Connection, room: str, before: int, limit: int) -> tuple[list[MessageView], list[Job], bool]:
    """The last messages before `before`, oldest first, with their jobs; and whether there are older ones."""
    found = _before(connection, room, before, limit + 1)
    shown = found[-limit:]
    return shown, _jobs_of(connection, room, shown), len(found) > limit


def page(
    connection: Connection, room: str, after: int | None, continued: bool = False, texts: Iterable[str] = ()
) -> Page:
    """What somebody who joins has missed since message `after`.

    `texts` are the tasks whose texts people see: those who come for the first time get the newest that ended, too.

    The jobs of a message are on its page, which ends before the message whose jobs would be too many. Older jobs that
    changed since are on the first page; `continued` says that this is a later one.
    """
    seq = newest_seq(connection, room)
    found = None if after is None or after > seq else _after(connection, room, after)
    if after is None or found is None or (after < seq and (not found or found[0].seq > after + 1)):
        found = _before(connection, room, seq + 1, FIRST_PAGE)
        theirs = [*_jobs_of(connection, room, found), *ledger.parked_of(connection, room, 0, JOBS_PAGE)]
        theirs += _ended_texts(connection, room, found[0].seq - 1 if found else 0, texts)
        return _bounded(Page(seq, found, theirs, reset=after is not None))
    found = _as_many_as_fit(connection, room, found)
    theirs = []
    if found:
        theirs = ledger.of_messages(connection, room, found[0].seq, found[-1].seq, [], JOBS_PAGE + 1)
    if not continued:
        theirs += _older_jobs(connection, room, after)
    return _bounded(Page(seq, found, theirs, more=bool(found) and found[-1].seq < seq))


def _bounded(full: Page) -> Page:
    """The page with its first jobs in the order in which `room:jobs` goes on."""
    theirs = {job.n: job for job in full.jobs}
    first = [theirs[n] for n in sorted(theirs)]
    return full._replace(jobs=first[:JOBS_PAGE], more_jobs=len(first) > JOBS_PAGE)


def _as_many_as_fit(connection: Connection, room: str, found: list[MessageView]) -> list[MessageView]:
    """The messages up to the one whose jobs would be too many; at least the first."""
    if not found:
        return found
    counts = dict(_jobs_by_message.all(connection, room=room, first=found[0].seq, last=found[-1].seq))
    total = 0
    for number, each in enumerate(found):
        total += counts.get(each.seq, 0)
        if total > JOBS_PAGE and number:
            return found[:number]
    return found


def _older_jobs(connection: Connection, room: str, after: int) -> list[Job]:
    """Jobs of older messages, or of none, that wait at the broker or changed since message `after`; the first ones."""
    places: set[int] = set()
    for each in (_changed_since, _of_last_seen, _parked_before):
        places.update(n for (n,) in each.all(connection, room=room, after=after, limit=JOBS_PAGE + 1))
    chosen = sorted(places)[: JOBS_PAGE + 1]
    query = select(jobs).where(jobs.c.n.in_(chosen)).order_by(jobs.c.n)
    return [ledger.from_row(row) for row in connection.execute(query)] if chosen else []


def _ended_texts(connection: Connection, room: str, since: int, tasks: Iterable[str]) -> list[Job]:
    """The newest jobs of these tasks that ended at this message or later, and wrote none themselves, such as drafts."""
    query = select(jobs).where(jobs.c.room == room, jobs.c.changed >= since, jobs.c.changed.is_not(None))
    query = query.where(jobs.c.task.in_(list(tasks)), jobs.c.message.is_(None), jobs.c.delivered)
    return [ledger.from_row(row) for row in connection.execute(query.order_by(jobs.c.n.desc()).limit(ENDED_TEXTS))]


def further_jobs(connection: Connection, room: str, after: str) -> tuple[list[Job], bool] | None:
    """Jobs of the room accepted after this one, and whether there are more; None when it is not one of the room's."""
    place = ledger.place_of(connection, room, after)
    if place is None:
        return None
    indexes = (jobs.c.message.is_not(None), jobs.c.changed.is_not(None), jobs.c.parked)
    wanted = union_all(*(select(jobs.c.n).where(jobs.c.room == room, known, jobs.c.n > place) for known in indexes))
    query = select(jobs).where(jobs.c.n.in_(wanted)).order_by(jobs.c.n).limit(JOBS_PAGE + 1)
    found = [ledger.from_row(row) for row in connection.execute(query)]
    return found[:JOBS_PAGE], len(found) > JOBS_PAGE


def _jobs_of(connection: Connection, room: str, found: list[MessageView]) -> list[Job]:
    if not found:
        return []
    wrote = [each.job for each in found if each.job is not None]
    return ledger.of_messages(connection, room, found[0].seq, found[-1].seq, wrote, JOBS_PAGE)


def _after(connection: Connection, room: str, seq: int) -> list[MessageView]:
    return [message(row) for row in _newer.all(connection, room=room, seq=seq)]


def _before(connection: Connection, room: str, seq: int, limit: int) -> list[MessageView]:
    return [message(row) for row in reversed(_before_seq.all(connection, room=room, seq=seq, limit=limit))]


# As it was stored, and what retention has removed.
_newest_seq = Prepared(
    select(
        select(func.max(messages.c.seq)).where(messages.c.room == bindparam("room")).scalar_subquery(),
        select(rooms.c.seq).where(rooms.c.name == bindparam("room")).scalar_subquery(),
        select(rooms.c.tasks).where(rooms.c.name == bindparam("room")).scalar_subquery(),
    )
)
_here = select(messages).where(messages.c.room == bindparam("room"))
_newer = Prepared(_here.where(messages.c.seq > bindparam("seq")).order_by(messages.c.seq).limit(PAGE))
_before_seq = Prepared(
    _here.where(messages.c.seq < bindparam("seq")).order_by(messages.c.seq.desc()).limit(bindparam("limit"))
)
_jobs_by_message = Prepared(
    select(jobs.c.message, func.count())
    .where(jobs.c.room == bindparam("room"), jobs.c.message.between(bindparam("first"), bindparam("last")))
    .where(jobs.c.message.is_not(None))
    .group_by(jobs.c.message)
)
_older = or_(jobs.c.message.is_(None), jobs.c.message <= bindparam("after"))
_places = select(jobs.c.n).where(jobs.c.room == bindparam("room")).order_by(jobs.c.n).limit(bindparam("limit"))
_changed_since = Prepared(_places.where(jobs.c.changed >= bindparam("after"), jobs.c.changed.is_not(None), _older))
_of_last_seen = Prepared(_places.where(jobs.c.message == bindparam("after"), jobs.c.message.is_not(None)))
_parked_before = Prepared(_places.where(jobs.c.parked, _older))
