"""The store: everything that is kept goes through here, and nothing here ever waits on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from app.loops import Loops
from app.store.errors import StoreFenced, StoreLocked, StoreRefused, StoreUnavailable, StoreUnreachable
from app.store.group import Threads
from app.store.hand_back import resolve
from app.store.opening import open_database
from app.store.operation import Operation
from app.store.sessions import READERS, Sessions
from app.store.writer import Writer

T = TypeVar("T")

COMMITTED_SECONDS = 4.0  # for which somebody waits for the group under way


class Store:
    """One database: operations in groups, reads in threads, and rare changes one at a time.

    All of it belongs to the loop; code in other threads goes through `concurrency.wait`.
    """

    def __init__(
        self,
        url: str,
        threads: Threads,
        make_effects: Callable[[], Any] = list,
        loops: Loops | None = None,
        name: str = "",
    ) -> None:
        """Open it and bring it up to date; raises StoreRefused in one sentence.

        Where the database is a server, it sees the sessions of this process under its name.
        """
        self._loop = threads.loop
        loops = loops or Loops(threads.loop)
        self._database, commits = open_database(url, threads, loops, name)
        self.shared = self._database.shared  # whether several web processes may use it
        self.writer = Writer(commits, make_effects, loops)
        self._reads = Sessions("reads", READERS, self._database.connect, self._database, threads, loops)

    def add(self, operation: Operation) -> None:
        """Commit this with the next group; `operation.done` tells when."""
        self.writer.add(operation)

    async def read(self, query: Callable[[Connection], T], patient: bool = False) -> T:
        """The query's value, read in a thread from what is committed; raises StoreUnavailable, soon unless `patient`."""
        return await self._reads.run(partial(_read, query), None if patient else self._database.read_seconds)

    def troubles(self) -> list[str]:
        """What keeps the database from being used at this moment, in a word each; nothing when it is well."""
        return self._database.troubles()

    async def change(self, change: Callable[[Connection], T]) -> T:
        """Commit a rare change (flags, uploads, letters, who holds a room) and return its value; raises StoreUnavailable."""
        return await self._database.change(change, self.writer.exclusive)  # type: ignore[no-any-return]  # its own value

    async def settled(self) -> None:
        """Return once everything added so far is committed or given up: what is read then includes it."""
        done: asyncio.Future[None] = self._loop.create_future()
        self.writer.when_idle(partial(resolve, done))
        await done

    async def committed(self) -> None:
        """Return when memory holds nothing that is not committed: what is shown of it is true; raises StoreUnavailable."""
        done: asyncio.Future[None] = self._loop.create_future()
        self.writer.when_committed(partial(resolve, done))
        try:
            await (done if done.done() else asyncio.wait_for(done, COMMITTED_SECONDS))
        except TimeoutError:
            raise StoreUnavailable("what is being written takes too long") from None

    async def close(self) -> None:
        """Commit what waits, then let the database go."""
        await self.settled()
        self.writer.stop()
        await self._reads.close()
        await self._database.close()


def _read(query: Callable[[Connection], Any], connection: Connection) -> Any:
    # Begun by hand, as SQLAlchemy does not see what runs on the driver's connection (app/store/prepared.py).
    snapshot = connection.begin()
    try:
        return query(connection)
    finally:
        snapshot.rollback()  # so that the next read sees what was committed since


__all__ = ["Store", "StoreFenced", "StoreLocked", "StoreRefused", "StoreUnavailable", "StoreUnreachable"]
