"""One database on a server: looked at when the process starts, written by the loop, read and changed in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, exc
from sqlalchemy.pool import NullPool

from app.loops import Loops
from app.store import migrations
from app.store.errors import StoreRefused, StoreUnavailable, StoreUnreachable
from app.store.group import Threads
from app.store.postgres.connecting import TO_CHANGE, TO_READ, TO_WRITE, Patient, is_lost, opened, target
from app.store.postgres.errors import READ_ONLY, meaning, trouble, words
from app.store.postgres.writing import GroupWriter
from app.store.sessions import Sessions

START_SECONDS = 5  # within which each host of the URL must answer when the process starts
MIN_SERVER = 13_00_00
LOOK_SECONDS = 1.0
READ_SECONDS = 4.0
RECENT_SECONDS = 3.0  # for which it counts that a thread got no connection


class Postgres:
    """A database on PostgreSQL, which several web processes may share."""

    shared = True
    read_seconds: float | None = READ_SECONDS

    def __init__(self, url: str, threads: Threads, loops: Loops, process: str = "") -> None:
        """Look whether it can be used and bring it up to date; raises StoreRefused or StoreUnreachable in one sentence."""
        self._threads, self._loop = threads, threads.loop
        self._conninfo, self.name = target(url, process)
        self._opening: set[asyncio.Task[None]] = set()
        self._handed: list[psycopg.Connection[Any]] = []  # connections that SQLAlchemy is to take
        self.engine = _engine(self._handed.pop)
        self._no_connection = ("", -1000.0)  # why a thread got none, and when
        self._start()
        self.groups = GroupWriter(partial(opened, self._conninfo, TO_WRITE), self._loop)
        self._changes = Sessions("changes", 1, partial(self.connect, TO_CHANGE), self, threads, loops, _is_alive)
        self._stop_looking = loops.every(LOOK_SECONDS, "database", self.groups.look)

    # Threads

    async def change(self, change: Callable[[Connection], Any], _: Callable[..., None]) -> Any:
        """In a transaction of its own, in a thread; groups go on meanwhile."""
        return await self._changes.run(partial(_changed, change), READ_SECONDS)

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

    def is_lost(self, connection: Connection, error: Exception | None) -> bool:
        """Whether the server closed it, never answered, or cannot be written any more: another host may be."""
        driver = error.orig if isinstance(error, exc.DBAPIError) else error
        if isinstance(driver, psycopg.Error) and driver.sqlstate == READ_ONLY:
            return True
        return connection.invalidated or is_lost(connection.connection.driver_connection)

    def translated(self, error: Exception) -> Exception:
        """StoreUnavailable for what is the server's fault."""
        found = error.orig if isinstance(error, exc.DBAPIError) else error
        if isinstance(found, psycopg.OperationalError | psycopg.InternalError | psycopg.InterfaceError):
            return meaning(found)
        return error

    def _begin_to_open(self, settings: list[str], answer: Any) -> None:
        task = self._loop.create_task(self._open_for(settings, answer))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_for(self, settings: list[str], answer: Any) -> None:
        try:
            connection = await opened(self._conninfo, settings)
            await connection.set_autocommit(False)
            self._handed.append(Patient(connection))
            answer.put(self.engine.connect())
        except psycopg.Error as error:
            self._no_connection = trouble(error), self._loop.time()
            answer.put(StoreUnavailable(words(error)))
        except Exception as error:
            answer.put(error)

    def troubles(self) -> list[str]:
        """What is wrong at this moment, in a word each."""
        why, at = self._no_connection
        of_threads = why if self._loop.time() < at + RECENT_SECONDS else None
        return sorted({each for each in (self.groups.trouble, of_threads) if each is not None})

    # Start and end

    def _start(self) -> None:
        with _reached(self._conninfo, self.name) as connection:
            self._handed.append(connection)
            migrations.bring_up_to_date(self.engine, self.name)

    async def close(self) -> None:
        """Let it go."""
        self._stop_looking()
        await self._changes.close()
        await self.groups.close()


@contextlib.contextmanager
def upkeep(url: str) -> Iterator[tuple[Engine, str]]:
    """The database for a command that runs by itself, and its name; raises StoreRefused or StoreUnreachable."""
    conninfo, name = target(url)
    handed: list[psycopg.Connection[Any]] = []
    connect = partial(psycopg.connect, conninfo, connect_timeout=START_SECONDS)
    with _reached(conninfo, name) as first:
        handed.append(first)
        yield _engine(lambda: handed.pop() if handed else connect()), name


@contextlib.contextmanager
def _reached(conninfo: str, name: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database that may be used, whose new owner closes it; our errors for what goes wrong."""
    try:
        connection = psycopg.connect(conninfo, connect_timeout=START_SECONDS)
        _check(name, connection)
        connection.rollback()
        yield connection
    except psycopg.OperationalError as error:
        raise _why_not_reached(name, error) from None
    except (psycopg.Error, exc.DBAPIError) as error:
        why = words(getattr(error, "orig", error))
        raise StoreRefused(f"the database {name} cannot be used: {why}") from None


def _engine(connect: Callable[[], psycopg.Connection[Any]]) -> Engine:
    # NullPool: SQLAlchemy's pool would hold a green lock in a real thread. Whoever works ends the transaction, so that a
    # connection that is lost needs no roll-back, whose failure would be logged.
    return create_engine(
        "postgresql+psycopg://", poolclass=NullPool, pool_reset_on_return=None, creator=connect, use_native_hstore=False
    )


def _changed(change: Callable[[Connection], Any], connection: Connection) -> Any:
    with connection.begin():
        return change(connection)


def _is_alive(connection: Connection) -> bool:
    """Whether the server is there still; a change cannot be made twice, so nobody else may find out."""
    try:
        with connection.begin():
            connection.exec_driver_sql("SELECT")
    except exc.DBAPIError:
        return False
    return True


def _check(name: str, connection: psycopg.Connection[Any]) -> None:
    """Raise StoreRefused unless it is a database that holds what people write, and StoreUnreachable while it cannot."""
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
    row = connection.execute(
        "SELECT current_setting('transaction_read_only') = 'on', has_database_privilege(current_database(), 'TEMPORARY')"
    ).fetchone()
    is_read_only, may_make_temporary = row or (False, True)
    if is_read_only:
        raise StoreUnreachable(f"the database {name} is read-only just now")
    if not may_make_temporary:
        raise StoreRefused(f"the database {name} does not grant TEMPORARY to its user: Spillway needs it to write")


def _why_not_reached(name: str, error: psycopg.OperationalError) -> Exception:
    """Refused for good, such as a wrong password, or not reached just now."""
    said = words(error)
    if any(each in said for each in ("does not exist", "authentication failed", "no password supplied")):
        return StoreRefused(f"the database {name} cannot be used: {said}")
    return StoreUnreachable(f"the database {name} cannot be reached: {said}")
