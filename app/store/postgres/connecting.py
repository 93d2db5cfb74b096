"""Connections to PostgreSQL: where to, how they are set, and for how long they wait.

The writer's connection belongs to the loop. Threads use theirs by psycopg's blocking calls, which wait in C and hold no
lock; but all connections are made on the loop, as making one waits in Python, with what eventlet makes green.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.string import StrDumperUnknown

from app.store.errors import StoreRefused
from app.store.postgres.errors import words
from app.store.postgres.group_function import definition
from app.store.sessions import SESSION

CONNECT_SECONDS = 2  # for each host of the URL; the least that libpq knows
STATEMENT_SECONDS = 4.0  # after which a connection that says nothing is given up
LOCK_MS = 1000  # how long a group waits for rows that somebody else changes, before it is put back

_FOR_ALL = f"SET statement_timeout = {int(STATEMENT_SECONDS * 900)}"  # a little before we give the connection up
TO_WRITE = [
    _FOR_ALL,
    f"SET lock_timeout = {LOCK_MS}",
    # A plan is kept that was made while the tables were empty: it must not walk through them when they are large.
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    definition(),
]
# Who stops in the middle of a change must not keep others from what it had touched.
TO_CHANGE = [_FOR_ALL, "SET idle_in_transaction_session_timeout = 1500"]
TO_READ = [_FOR_ALL, "SET default_transaction_isolation = 'repeatable read'", "SET default_transaction_read_only = on"]


class WithoutNul(StrDumperUnknown):
    """Text that is asked for or stored, with U+FFFD for NUL, which no text may hold there: it is not found, and no error."""

    def dump(self, obj: str) -> Any:
        """As psycopg's."""
        return super().dump(obj.replace("\0", "\ufffd"))


psycopg.adapters.register_dumper(str, WithoutNul)


class Waiting(psycopg.AsyncConnection[Any]):
    """A connection of the loop: gives up after a time."""

    patience = STATEMENT_SECONDS

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - psycopg's
        """As psycopg's, for a time."""
        return await super().wait(gen, interval, timeout or self.patience)


class Patient(psycopg.Connection[Any]):
    """The connection of a thread: gives up after a time."""

    def __init__(self, opened: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(opened.pgconn)
        self._opened = opened  # which would warn, if it went before its connection is closed

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's, for a time."""
        return super().wait(gen, interval, timeout or STATEMENT_SECONDS)


async def opened(conninfo: str, settings: list[str]) -> Waiting:
    """A new connection with these settings; raises psycopg.Error."""
    connection = await Waiting.connect(conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS)
    try:
        for each in settings:
            await connection.execute(each.encode())
    except BaseException:
        await connection.close()
        raise
    return connection


def is_lost(connection: Any) -> bool:
    """Whether the server closed it, or never answered."""
    status = connection.pgconn.transaction_status
    return bool(connection.closed) or status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)


def target(url: str, process: str = "") -> tuple[str, str]:
    """What psycopg connects to, and how people are told of it: without user and password; raises StoreRefused."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise StoreRefused(f"DATABASE_URL is no URL of a PostgreSQL database: {words(error)}") from None
    hosts = str(given.get("host") or "localhost").split(",")
    ports = str(given.get("port") or 5432).split(",")
    places = [f"{host}:{ports[min(number, len(ports) - 1)]}" for number, host in enumerate(hosts)]
    name = f"postgresql://{','.join(places)}/{given.get('dbname') or ''}"
    return make_conninfo("", **{**given, "application_name": f"{SESSION}{process}"}), name
