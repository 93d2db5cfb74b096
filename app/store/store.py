"""The store: everything that is kept goes through here, and nothing here ever waits on the loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, exc

from app.loops import Loops
from app.store import migrations
from app.store.checkpoints import Checkpoints
from app.store.errors import StoreLocked, StoreRefused, StoreUnavailable
from app.store.hand_back import hand_back, resolve
from app.store.operation import Operation
from app.store.sqlite import Database, translated
from app.store.writer import Threads, Writer

T = TypeVar("T")

READERS = 2
CHANGE_SECONDS = 5.0  # how long a rare change waits for somebody else's lock
CHANGE_LOCK_MS = 500  # of it at once: while it waits nobody else can write


class Store:
    """One database: operations in groups, reads in threads, and rare changes one at a time.

    All of it belongs to the loop; code in other threads goes through `concurrency.wait`.
    """

    shared = False
    session = ""

    def __init__(
        self, url: str, threads: Threads, make_effects: Callable[[], Any] = list, loops: Loops | None = None
    ) -> None:
        """Open it and bring it up to date; raises StoreRefused in one sentence."""
        self._loop = threads.loop
        loops = loops or Loops(threads.loop)
        self._database = Database(url)
        try:
            migrations.bring_up_to_date(self._database.engine, url)
            self._changer = self._database.connect()
            self._changer.exec_driver_sql(f"PRAGMA busy_timeout={CHANGE_LOCK_MS}")
            self._changer.rollback()
            self._readers = [(self._database.connect(), self._loop.create_future()) for _ in range(READERS)]
        except exc.DatabaseError as error:
            raise StoreRefused(f"the database {url} cannot be used: {error.orig}") from None
        self._checkpoints = Checkpoints(self._database.path, threads.os_queue())
        self.writer = Writer(self._database, threads, self._checkpoints, make_effects, loops)
        self._reads = threads.os_queue()
        for reader in self._readers:
            loops.in_thread(threads, "reads", self._serve_reads, *reader)
        loops.in_thread(threads, "checkpoints", self._checkpoints.run)

    def add(self, operation: Operation) -> None:
        """Commit this with the next group; `operation.done` tells when."""
        self.writer.add(operation)

    def find(self, statement: str, args: tuple[Any, ...]) -> Any:
        """The first row of a look-up by an index, or None, for an operation that is being prepared; raises StoreUnavailable."""
        return self._database.find(statement, args)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """The query's value, read in a thread from what is committed; raises StoreUnavailable."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._reads.put((query, done))
        return await done

    async def change(self, change: Callable[[Connection], T]) -> T:
        """Commit a rare change (flags, uploads, letters) and return its value; raises StoreUnavailable."""
        give_up = self._loop.time() + CHANGE_SECONDS
        while True:
            done: asyncio.Future[T] = self._loop.create_future()
            self.writer.exclusive(partial(self._report, done, _changed, self._changer, change))
            try:
                return await done
            except StoreLocked:
                if self._loop.time() > give_up:
                    raise

    async def settled(self) -> None:
        """Return once everything added so far is committed or given up: what is read then includes it."""
        done: asyncio.Future[None] = self._loop.create_future()
        self.writer.when_idle(partial(resolve, done))
        await done

    async def committed(self) -> None:
        """Return when memory holds nothing that is not committed: what is shown of it then is true."""
        done: asyncio.Future[None] = self._loop.create_future()
        self.writer.when_committed(partial(resolve, done))
        await done

    async def close(self) -> None:
        """Commit what waits, then let the database go."""
        await self.settled()
        self._checkpoints.stop()
        self.writer.stop()
        for _ in self._readers:
            self._reads.put(None)
        # Closed here and not in their threads: SQLAlchemy logs then, with a lock that may be green.
        for connection, ended in self._readers:
            await ended
            connection.close()
        self._changer.close()
        self._database.close()

    def _serve_reads(self, connection: Connection, ended: asyncio.Future[None]) -> None:
        while (asked := self._reads.get()) is not None:
            query, done = asked
            self._report(done, _read, connection, query)
        self._loop.call_soon_threadsafe(resolve, ended)

    def _report(self, done: asyncio.Future[Any], work: Callable[..., Any], *args: Any) -> None:
        """Do the work here, in a thread, and give what comes of it to whoever waits on the loop."""
        hand_back(self._loop, done, _with_our_errors, work, *args)


def _read(connection: Connection, query: Callable[[Connection], Any]) -> Any:
    try:
        return query(connection)
    finally:
        connection.rollback()  # ends the snapshot, so that the next read sees what was committed since


def _changed(connection: Connection, change: Callable[[Connection], Any]) -> Any:
    with connection.begin():
        return change(connection)


def _with_our_errors(work: Callable[..., T], *args: Any) -> T:
    try:
        return work(*args)
    except exc.DatabaseError as failed:
        raise _translated(failed) from failed.orig


def _translated(error: exc.DatabaseError) -> Exception:
    """StoreUnavailable for what is the database's fault: locked, full, gone, or damaged (a bare DatabaseError)."""
    if isinstance(error.orig, sqlite3.OperationalError) or type(error) is exc.DatabaseError:
        return translated(error.orig)  # type: ignore[arg-type]  # sqlite3's own error
    return error


__all__ = ["Store", "StoreLocked", "StoreRefused", "StoreUnavailable"]
