"""Real threads with a connection to the database each, for what may take longer than the loop can wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from app.loops import Loops
from app.store.errors import StoreUnavailable
from app.store.group import Threads
from app.store.hand_back import hand_back, resolve

T = TypeVar("T")

SESSION = "spillway "  # and the name of the process: what a server calls them
READERS = 2  # threads that read, and their connections
REPEAT_SECONDS = 1.0  # after which work is not begun again: whoever asked may be gone


class Judges(Protocol):
    """What sessions ask their database."""

    def is_lost(self, connection: Connection, error: Exception | None) -> bool:
        """Whether it cannot be used any more, after this error."""

    def translated(self, error: Exception) -> Exception:
        """What an error of the driver means to us; any other error as it is."""


class Sessions:
    """Functions run on these connections, one after the other on each; their values come back to the loop."""

    def __init__(
        self,
        name: str,
        count: int,
        connect: Callable[[], Connection],
        database: Judges,
        threads: Threads,
        loops: Loops,
        is_alive: Callable[[Connection], bool] | None = None,
    ) -> None:
        """`connect` is called in the threads; it may wait, and raises StoreUnavailable.

        A connection may have died since it was last used. Work that changes nothing is done once more on another; for
        other work `is_alive` looks at the connection first.
        """
        self._connect, self._database, self._loop, self._is_alive = connect, database, threads.loop, is_alive
        self._asked = threads.os_queue()
        self._held: dict[asyncio.Future[None], Connection] = {}  # until its thread has ended
        self._ended = [self._loop.create_future() for _ in range(count)]
        for ended in self._ended:
            loops.in_thread(threads, name, self._serve, ended)

    async def run(self, work: Callable[[Connection], T], seconds: float | None = None) -> T:
        """The value of this work, done in one of the threads; raises StoreUnavailable when that took too long."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._asked.put((work, done))
        try:
            return await (done if seconds is None else asyncio.wait_for(done, seconds))
        except TimeoutError:
            raise StoreUnavailable(f"no answer within {seconds:g} s") from None

    def stop(self) -> None:
        """End the threads once all they were asked is done."""
        for _ in self._ended:
            self._asked.put(None)

    async def close(self) -> None:
        """End the threads and close their connections.

        Here and not in the threads: SQLAlchemy logs then, with a lock that may be green.
        """
        self.stop()
        for ended in self._ended:
            await ended
        for connection in self._held.values():
            connection.close()

    def _serve(self, ended: asyncio.Future[None]) -> None:
        while (asked := self._asked.get()) is not None:
            work, done = asked
            if not done.done():  # nobody waits any more
                hand_back(self._loop, done, self._work, ended, work)
        self._loop.call_soon_threadsafe(resolve, ended)

    def _work(self, mine: asyncio.Future[None], work: Callable[[Connection], Any]) -> Any:
        known, begun = mine in self._held, time.monotonic()
        try:
            return self._work_once(mine, work)
        except StoreUnavailable:
            may_repeat = known and mine not in self._held and self._is_alive is None
            if not may_repeat or time.monotonic() > begun + REPEAT_SECONDS:
                raise
            return self._work_once(mine, work)

    def _work_once(self, mine: asyncio.Future[None], work: Callable[[Connection], Any]) -> Any:
        connection = self._held.get(mine)
        if connection is not None and self._is_alive is not None and not self._is_alive(connection):
            self._let_go(mine)
            connection = None
        if connection is None:
            connection = self._held[mine] = self._connect()
        try:
            return work(connection)
        except Exception as error:
            if self._database.is_lost(connection, error):
                self._let_go(mine)
            meaning = self._database.translated(error)
            if meaning is error:
                raise
            raise meaning from None

    def _let_go(self, mine: asyncio.Future[None]) -> None:
        self._loop.call_soon_threadsafe(self._held.pop(mine).close)
