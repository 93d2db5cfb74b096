"""Which database a URL means; nobody else asks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from app.loops import Loops
from app.store.group import Commits, Threads
from app.store.sessions import Judges


class Database(Judges, Protocol):
    """What the store needs of a database: app/store/sqlite.py and postgres/database.py."""

    shared: bool
    read_seconds: float | None  # after which a read is given up that nobody may wait for any longer

    def connect(self) -> Connection:
        """A connection of its own, to read by, in a thread; may wait, and raises StoreUnavailable."""

    def troubles(self) -> list[str]:
        """What is wrong at this moment, in a word each."""

    async def change(self, change: Callable[[Connection], Any], between_groups: Callable[..., None]) -> Any:
        """The value of this change, made in a transaction of its own; raises StoreUnavailable."""

    async def close(self) -> None:
        """Let it go."""


def upkeep(url: str, changes: bool) -> AbstractContextManager[tuple[Engine, str]]:
    """The database as it is, for a command that runs by itself, and its name; raises StoreRefused or StoreUnreachable.

    `changes`: it is to be changed, which nobody may do to a SQLite file while a web process uses it.
    """
    if url.startswith("sqlite:"):
        from app.store import sqlite

        return sqlite.upkeep(url, changes)
    from app.store.postgres import database

    return database.upkeep(url)


def open_database(url: str, threads: Threads, loops: Loops, name: str = "") -> tuple[Database, Commits]:
    """The database, up to date, and the way to commit groups to it; raises StoreRefused in one sentence."""
    if url.startswith("sqlite:"):
        from app.store.local import Local
        from app.store.sqlite import Sqlite

        local = Sqlite(url, threads, loops)
        return local, Local(local, local.checkpoints, threads, loops)
    # Here and not at the top: who has SQLite need not load the driver.
    from app.store.postgres.database import Postgres
    from app.store.postgres.remote import Remote

    remote = Postgres(url, threads, loops, name)
    return remote, Remote(remote.groups, threads.loop)
