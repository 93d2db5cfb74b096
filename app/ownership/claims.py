"""What the database says about processes and their rooms. PostgreSQL only: a SQLite file has one process.

A process may write as long as its row in `processes` is there: each group of writes checks it (app/store), and who wants
the rooms of a dead process removes that row first. So a process that was only paused can do no harm when it wakes up.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text

from app.store.sessions import SESSION


class Seen(NamedTuple):
    """One process as the database has it; `beats` grows for as long as it lives."""

    id: str
    address: str
    beats: float
    draining: bool
    has_session: bool  # on the server, as far as it says


class Claim(NamedTuple):
    """Who owns a room; `is_new`: it was given to whoever asked just now."""

    owner: str
    epoch: int
    is_new: bool


def register(connection: Connection, me: str, address: str, since: float) -> None:
    """Put this process among the others, under a life of its own."""
    connection.execute(
        text(
            "INSERT INTO processes (id, address, since, seen, draining) VALUES (:me, :address, :since, 0, false) "
            "ON CONFLICT (id) DO UPDATE SET since = :since, seen = 0, draining = false"
        ),
        {"me": me, "address": address, "since": since},
    )


def beat(connection: Connection, me: str, since: float, draining: bool) -> tuple[bool, list[Seen]]:
    """Say that we live; returns whether we are still registered, and everybody who is."""
    found = list(
        connection.execute(
            text(
                "WITH said AS (UPDATE processes SET seen = seen + 1, draining = :draining WHERE id = :me AND since = :since "
                "RETURNING id) SELECT id, address, seen, draining, EXISTS (SELECT 1 FROM pg_stat_activity "
                "WHERE application_name = :session || processes.id), EXISTS (SELECT 1 FROM said) FROM processes"
            ),
            {"me": me, "since": since, "draining": draining, "session": SESSION},
        )
    )
    return any(row[-1] for row in found), [Seen(*row[:-1]) for row in found]


def bury(connection: Connection, process: str, beats: float) -> bool:
    """Take a process that does not beat any more from the list, unless it has beaten since; says whether it was there."""
    gone = text("DELETE FROM processes WHERE id = :id AND seen = :beats")
    return connection.execute(gone, {"id": process, "beats": beats}).rowcount == 1


def leave(connection: Connection, me: str) -> None:
    """This process ends: what is left of its rooms is for others."""
    connection.execute(text("DELETE FROM processes WHERE id = :me"), {"me": me})


def claim(connection: Connection, names: list[str], me: str, may_take: bool) -> dict[str, Claim]:
    """The owner of each room: this process, if it may take any, where nobody who lives has it."""
    claims = _take(connection, names, me) if may_take else {}
    rest = [name for name in names if name not in claims]
    if rest:
        found = connection.execute(
            text("SELECT name, owner, epoch FROM rooms WHERE name = ANY (CAST(:rest AS text[])) AND owner IS NOT NULL"),
            {"rest": rest},
        )
        claims |= {name: Claim(owner, epoch, False) for name, owner, epoch in found}
    return claims


def _take(connection: Connection, names: list[str], me: str) -> dict[str, Claim]:
    taken = connection.execute(
        text(
            "INSERT INTO rooms (name, seq, owner, epoch) SELECT name, 0, :me, 1 FROM unnest(CAST(:names AS text[])) name "
            "ORDER BY name ON CONFLICT (name) DO UPDATE SET owner = :me, epoch = rooms.epoch + 1 "
            "WHERE rooms.owner IS NULL OR rooms.owner NOT IN (SELECT id FROM processes) RETURNING name, epoch"
        ),
        {"names": names, "me": me},
    )
    return {name: Claim(me, epoch, True) for name, epoch in taken}


def take_over(connection: Connection, me: str) -> list[str]:
    """Make this process the owner of the rooms in which something is unfinished and that nobody owns; returns them."""
    connection.execute(
        text(  # a database on which one process was alone has no rows of rooms in which nothing was removed
            "INSERT INTO rooms (name, seq, epoch) SELECT DISTINCT room, 0, 0 FROM jobs WHERE NOT delivered "
            "AND NOT EXISTS (SELECT 1 FROM rooms WHERE name = room) ON CONFLICT DO NOTHING"
        )
    )
    taken = connection.execute(
        text(
            "UPDATE rooms SET owner = :me, epoch = epoch + 1 "
            "WHERE (owner IS NULL OR owner NOT IN (SELECT id FROM processes)) AND name IN "
            "(SELECT room FROM jobs WHERE NOT delivered UNION SELECT room FROM callbacks WHERE due IS NOT NULL) "
            "RETURNING name"
        ),
        {"me": me},
    )
    return list(taken.scalars())


def release(connection: Connection, names: list[str], me: str) -> None:
    """Give these rooms up: whoever needs one next has it."""
    connection.execute(
        text("UPDATE rooms SET owner = NULL WHERE owner = :me AND name = ANY (CAST(:names AS text[]))"),
        {"me": me, "names": names},
    )
