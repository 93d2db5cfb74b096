"""PostgreSQL: its connections, writing groups of rows, and what its errors mean. Its sibling is app/store/sqlite.py.

The writer's connection belongs to the loop. Threads use theirs by psycopg's blocking calls, which wait in C and hold no
lock; but all connections are made on the loop, as making one waits in Python, with what eventlet makes green.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, create_engine, exc
from sqlalchemy.pool import NullPool

from app.loops import Loops
from app.store import migrations
from app.store.errors import (
    StoreConflict,
    StoreFenced,
    StoreLocked,
    StoreRefused,
    StoreUnavailable,
    StoreUnreachable,
)
from app.store.group import Threads
from app.store.group_function import CALL, FENCED, as_json, definition
from app.store.operation import Rows
from app.store.sessions import SESSION, Sessions

CONNECT_SECONDS = 2  # for each host of the URL; the least that libpq knows
START_SECONDS = 5  # the same, when the process starts
STATEMENT_SECONDS = 4.0  # after which a connection that says nothing is given up
LOCK_MS = 1000  # how long a group waits for rows that somebody else changes, before it is put back
MIN_SERVER = 13_00_00
BUSY = ("40001", "40P01", "55P03")  # SQLSTATE: serialization failure, deadlock, lock not available

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


class _Waiting(psycopg.AsyncConnection[Any]):
    """The writer's connection: gives up after a time."""

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - psycopg's
        """As psycopg's, for a time."""
        return await super().wait(gen, interval, timeout or STATEMENT_SECONDS)


class _Patient(psycopg.Connection[Any]):
    """The connection of a thread: gives up after a time."""

    def __init__(self, opened: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(opened.pgconn)
        self._opened = opened  # which would warn, if it went before its connection is closed

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's, for a time."""
        return super().wait(gen, interval, timeout or STATEMENT_SECONDS)


class Postgres:
    """One database on a server, which several web processes may share."""

    shared = True

    def __init__(self, url: str, threads: Threads, loops: Loops, process: str = "") -> None:
        """Look whether it can be used and bring it up to date; raises StoreRefused or StoreUnreachable in one sentence."""
        self._threads, self._loop = threads, threads.loop
        self._conninfo, self.name = _conninfo(url, process)
        self._writer: _Waiting | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._handed: list[psycopg.Connection[Any]] = []  # connections that SQLAlchemy is to take
        # NullPool: SQLAlchemy's pool would hold a green lock in a real thread.
        self.engine: Engine = create_engine(
            "postgresql+psycopg://", poolclass=NullPool, creator=self._handed.pop, use_native_hstore=False
        )
        self._start()
        self._changes = Sessions("changes", 1, partial(self.connect, TO_CHANGE), self, threads, loops)

    # Groups

    async def write(self, rows: Rows) -> None:
        """Store all of it in one transaction and one round trip; raises what app/store/errors.py has, and then nothing is."""
        group = as_json(rows)
        await self._on_writer(lambda writer: writer.execute(CALL, (group,), prepare=True))

    async def find(self, statement: str, args: tuple[Any, ...]) -> Any:
        """The first row of a look-up by an index, or None; for the writer's own rare questions."""
        found = await self._on_writer(lambda writer: writer.execute(statement.replace("?", "%s"), args))
        return await found.fetchone()

    async def _on_writer(self, ask: Callable[[_Waiting], Any]) -> Any:
        try:
            if self._writer is None:
                self._writer = await self._opened(TO_WRITE)
            return await ask(self._writer)
        except psycopg.Error as error:
            if self._writer is not None and _is_lost(self._writer):
                await self._writer.close()
                self._writer = None
            raise _meaning(error) from None

    # Threads

    async def change(self, change: Callable[[Connection], Any], _: Callable[..., None]) -> Any:
        """In a transaction of its own, in a thread; groups go on meanwhile."""
        return await self._changes.run(partial(_changed, change))

    def connect(self, settings: list[str] = TO_READ) -> Connection:
        """A connection for the thread that calls; raises StoreUnavailable."""
        answer = self._threads.os_queue()
        self._loop.call_soon_threadsafe(self._begin_to_open, settings, answer)
        try:
            found: Connection | Exception = answer.get(timeout=60)
        except Exception:  # `queue.Empty` of whichever queue module this is: the loop is held, or gone
            raise StoreUnavailable("no connection could be made") from None
        if isinstance(found, Exception):
            raise found
        return found

    def is_lost(self, connection: Connection) -> bool:
        """Whether the server closed it, or never answered."""
        return connection.invalidated or _is_lost(connection.connection.driver_connection)

    def translated(self, error: Exception) -> Exception:
        """StoreUnavailable for what is the server's fault."""
        found = error.orig if isinstance(error, exc.DBAPIError) else error
        if isinstance(found, psycopg.OperationalError | psycopg.InternalError | psycopg.InterfaceError):
            return _meaning(found)
        return error

    def _begin_to_open(self, settings: list[str], answer: Any) -> None:
        task = self._loop.create_task(self._open_for(settings, answer))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_for(self, settings: list[str], answer: Any) -> None:
        try:
            opened = await self._opened(settings)
            await opened.set_autocommit(False)
            self._handed.append(_Patient(opened))
            answer.put(self.engine.connect())
        except Exception as error:
            answer.put(_meaning(error) if isinstance(error, psycopg.Error) else error)

    async def _opened(self, settings: list[str]) -> _Waiting:
        opened = await _Waiting.connect(self._conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS)
        try:
            for each in settings:
                await opened.execute(each)
        except BaseException:
            await opened.close()
            raise
        return opened

    # Start and end

    def _start(self) -> None:
        try:
            opened = psycopg.connect(self._conninfo, connect_timeout=START_SECONDS)
        except psycopg.OperationalError as error:
            raise _why_not_reached(self.name, error) from None
        with opened:
            _check(self.name, opened)
        self._handed.append(psycopg.connect(self._conninfo, connect_timeout=START_SECONDS))
        try:
            migrations.bring_up_to_date(self.engine, self.name)
        except exc.DBAPIError as error:
            raise StoreRefused(f"the database {self.name} cannot be used: {_words(error.orig)}") from None

    async def close(self) -> None:
        """Let it go."""
        await self._changes.close()
        if self._writer is not None:
            await self._writer.close()


def _changed(change: Callable[[Connection], Any], connection: Connection) -> Any:
    with connection.begin():
        return change(connection)


def _is_lost(connection: Any) -> bool:
    status = connection.pgconn.transaction_status
    return bool(connection.closed) or status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)


def _conninfo(url: str, process: str) -> tuple[str, str]:
    """What psycopg connects to, and how people are told of it: without user and password; raises StoreRefused."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise StoreRefused(f"DATABASE_URL is no URL of a PostgreSQL database: {_words(error)}") from None
    hosts = str(given.get("host") or "localhost").split(",")
    ports = str(given.get("port") or 5432).split(",")
    places = [f"{host}:{ports[min(number, len(ports) - 1)]}" for number, host in enumerate(hosts)]
    name = f"postgresql://{','.join(places)}/{given.get('dbname') or ''}"
    return make_conninfo("", **{**given, "application_name": f"{SESSION}{process}"}), name


def _check(name: str, connection: psycopg.Connection[Any]) -> None:
    """Raise StoreRefused unless it is a database that holds what people write, and can be written."""
    if connection.info.server_version < MIN_SERVER:
        version = connection.info.server_version // 10_000
        raise StoreRefused(
            f"the database {name} runs PostgreSQL {version}: Spillway needs {MIN_SERVER // 10_000} or newer"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreRefused(
            f"the database {name} has encoding {encoding}, which cannot hold what people write: make one with encoding UTF8"
        )
    row = connection.execute("SHOW transaction_read_only").fetchone()
    if row is not None and row[0] == "on":
        raise StoreUnreachable(f"the database {name} is read-only just now")


def _why_not_reached(name: str, error: psycopg.OperationalError) -> Exception:
    """Refused for good, such as a wrong password, or not reached just now."""
    words = _words(error)
    if "does not exist" in words or "authentication failed" in words or "no password supplied" in words:
        return StoreRefused(f"the database {name} cannot be used: {words}")
    return StoreUnreachable(f"the database {name} cannot be reached: {words}")


def _meaning(error: psycopg.Error) -> Exception:
    """The error as the rest of Spillway knows it."""
    if error.sqlstate == FENCED:
        return StoreFenced("this process was taken for dead, and others have its rooms")
    if error.sqlstate in BUSY:
        return StoreLocked(_words(error))
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        return StoreConflict(_words(error))
    return StoreUnavailable(_words(error))


def _words(error: Any) -> str:
    """What an error says, on one line, without the server's word on where."""
    diagnosis = getattr(error, "diag", None)
    return " ".join(((diagnosis and diagnosis.message_primary) or str(error)).split())
