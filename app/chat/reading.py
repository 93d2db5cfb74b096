"""What is read of a room: its messages, and what somebody who comes back has missed. Queries run in reader threads."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, func, literal_column, select, union_all

from app.contract import MessageView, Person
from app.ids import rfc3339
from app.jobs import ledger
from app.jobs.job import Job
from app.store.schema import jobs, messages, rooms
from app.store.statements import MESSAGE_COLUMNS

FIRST_PAGE = 50  # messages somebody sees who joins for the first time
PAGE = 500  # messages in one answer to a join
JOBS_PAGE = 1000  # jobs in one answer

FIND_BY_KEY = f"SELECT {', '.join(MESSAGE_COLUMNS)} FROM messages WHERE room = ? AND sender_id = ? AND key = ?"  # noqa: S608


_rowid: Any = literal_column("messages.rowid")


class Page(NamedTuple):
    """A part of a room. Of final jobs each is on one page: the one of the message after which it last changed."""

    seq: int  # of the room's newest message
    messages: list[MessageView]
    jobs: list[Job]
    more: bool = False  # there are further messages: join again with the last one of these
    more_jobs: bool = False  # there are further jobs: ask `room:jobs`
    reset: bool = False  # what the client has is not what this room has


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
    stored = connection.execute(select(func.max(messages.c.seq)).where(messages.c.room == room)).scalar()
    removed = connection.execute(select(rooms.c.seq).where(rooms.c.name == room)).scalar()
    return max(stored or 0, removed or 0)


def newest_seqs(connection: Connection, names: set[str]) -> dict[str, int]:
    """The newest `seq` of each of these rooms."""
    return {name: newest_seq(connection, name) for name in names}


def history(connection: Connection, room: str, limit: int) -> list[dict[str, str]]:
    """What people wrote last, oldest first, as the `history` of a task."""
    query = select(messages.c.sender_name, messages.c.text).where(messages.c.room == room, messages.c.kind == "user")
    found = connection.execute(query.order_by(messages.c.seq.desc()).limit(limit))
    return [{"sender": name, "text": text} for name, text in found][::-1]


def newest_by_people(connection: Connection, limit: int) -> list[tuple[str, str, float]]:
    """Room, sender and time of the newest user messages of all rooms, oldest first."""
    newest = select(messages.c.room, messages.c.sender_id, messages.c.at, messages.c.kind)
    # By rowid, which is in the order of storing and needs no index; tasks wrote some of them.
    found = connection.execute(newest.order_by(_rowid.desc()).limit(limit * 4))
    return [(room, sender, at) for room, sender, at, kind in found if kind == "user"][:limit][::-1]


def older(connection: Connection, room: str, before: int, limit: int) -> tuple[list[MessageView], list[Job]]:
    """The last messages before `before`, oldest first, with their jobs."""
    found = _before(connection, room, before, limit)
    return found, _jobs_of(connection, room, found)


def page(connection: Connection, room: str, after: int | None, unfinished: int) -> Page:
    """What somebody who joins has missed since message `after`; `unfinished` jobs are in memory besides."""
    seq = newest_seq(connection, room)
    found = None if after is None or after > seq else _after(connection, room, after)
    if found is None or (after is not None and after < seq and (not found or found[0].seq > after + 1)):
        found = _before(connection, room, seq + 1, FIRST_PAGE)
        return _last_page(
            connection, room, seq, found, _jobs_of(connection, room, found), after is not None, unfinished
        )
    since = after or 0
    changes, until = _changes(connection, room, since, found[-1].seq if found else seq)
    if found and until is not None and until > since:
        found = [each for each in found if each.seq <= until]
    more = bool(found) and found[-1].seq < seq
    before = found[-1].seq if more else None
    here = [n for position, n in changes if before is None or position < before or position == since]
    more_jobs = len(here) > JOBS_PAGE
    if more_jobs:  # the first ones in the order in which `room:jobs` goes on
        here = list(connection.execute(select(_positions(room, since).c.n).order_by("n").limit(JOBS_PAGE)).scalars())
    if more:
        return Page(seq, found, _by_places(connection, here), more=True, more_jobs=more_jobs)
    if more_jobs:
        return _last_page(connection, room, seq, found, _by_places(connection, here), False, unfinished, True)
    return _last_page(connection, room, seq, found, _by_places(connection, here), False, unfinished)


def further_jobs(connection: Connection, room: str, after: str) -> tuple[list[Job], bool] | None:
    """Jobs of the room accepted after this one, and whether there are more; None when it is not one of the room's."""
    place = ledger.place_of(connection, room, after)
    if place is None:
        return None
    indexes = (jobs.c.message.is_not(None), jobs.c.changed.is_not(None), jobs.c.parked == 1)
    wanted = union_all(*(select(jobs.c.n).where(jobs.c.room == room, known, jobs.c.n > place) for known in indexes))
    query = select(jobs).where(jobs.c.n.in_(wanted)).order_by(jobs.c.n).limit(JOBS_PAGE + 1)
    found = [ledger.from_row(row) for row in connection.execute(query)]
    return found[:JOBS_PAGE], len(found) > JOBS_PAGE


def _last_page(
    connection: Connection,
    room: str,
    seq: int,
    found: list[MessageView],
    theirs: list[Job],
    reset: bool,
    unfinished: int,
    more_jobs: bool = False,
) -> Page:
    """The page that also has the jobs waiting at the broker; those in memory are added by whoever asked."""
    space = max(0, JOBS_PAGE - unfinished)
    parked = ledger.parked_of(connection, room, 0, space + 1)
    return Page(
        seq,
        found,
        [*theirs, *parked[:space]],
        more_jobs=more_jobs or len(parked) > space or unfinished > JOBS_PAGE,
        reset=reset,
    )


def _changes(connection: Connection, room: str, since: int, last: int) -> tuple[list[tuple[int, int]], int | None]:
    """Where final jobs last changed, from message `since` on, and their places; and the message that the page ends
    with where there are more of them than fit."""
    both = _positions(room, since)
    query = select(both.c.position, both.c.n).order_by(both.c.position, both.c.n).limit(JOBS_PAGE + 1)
    found = [(position, n) for position, n in connection.execute(query)]
    if len(found) <= JOBS_PAGE:
        return found, last
    return found, max(found[-1][0], since + 1)


def _positions(room: str, since: int) -> Any:
    """Where in a room each final job last changed, from message `since` on: a query for position and place."""
    done = (jobs.c.room == room, jobs.c.delivered == 1)
    by_message = select(jobs.c.message.label("position"), jobs.c.n).where(
        *done, jobs.c.message >= since, jobs.c.message.is_not(None), jobs.c.changed.is_(None)
    )
    by_change = select(jobs.c.changed.label("position"), jobs.c.n).where(
        *done, jobs.c.changed >= since, jobs.c.changed.is_not(None)
    )
    return union_all(by_message, by_change).subquery()


def _by_places(connection: Connection, places: list[int]) -> list[Job]:
    query = select(jobs).where(jobs.c.n.in_(places)).order_by(jobs.c.n)
    return [ledger.from_row(row) for row in connection.execute(query)]


def _jobs_of(connection: Connection, room: str, found: list[MessageView]) -> list[Job]:
    seqs, wrote = [each.seq for each in found], [each.job for each in found if each.job is not None]
    return ledger.of_messages(connection, room, seqs, wrote, JOBS_PAGE)


def _after(connection: Connection, room: str, seq: int) -> list[MessageView]:
    query = select(messages).where(messages.c.room == room, messages.c.seq > seq).order_by(messages.c.seq).limit(PAGE)
    return [message(row) for row in connection.execute(query)]


def _before(connection: Connection, room: str, seq: int, limit: int) -> list[MessageView]:
    here = select(messages).where(messages.c.room == room, messages.c.seq < seq)
    found: list[Row[Any]] = list(connection.execute(here.order_by(messages.c.seq.desc()).limit(limit)))
    return [message(row) for row in reversed(found)]
