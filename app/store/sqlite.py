"""SQLite: opening the file, writing groups of rows, and what its errors mean. Its sibling is app/store/postgres/database.py."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import NullPool

from app.loops import Loops
from app.store import migrations
from app.store.checkpoints import Checkpoints
from app.store.errors import StoreConflict, StoreLocked, StoreRefused, StoreUnavailable
from app.store.group import Threads
from app.store.hand_back import hand_back
from app.store.operation import Rows
from app.store.sessions import READERS
from app.store.statements import STATEMENTS, Forget, Insert, Statement, Update

CHANGE_SECONDS = 5.0  # how long a rare change waits for somebody else's lock
CHANGE_LOCK_MS = 500  # of it at once: while it waits nobody else can write
READ_LOCK_SECONDS = 5.0  # readers wait only for a recovery after a crash; they run in threads of their own
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Sqlite:
    """One SQLite file, owned by this process. `write` never waits for a lock: it raises StoreLocked instead."""

    shared = False
    read_seconds: float | None = None

    def __init__(self, url: str, threads: Threads, loops: Loops) -> None:
        """Open it and bring it up to date; raises StoreRefused in one sentence."""
        self.path = Path(url.removeprefix("sqlite:///"))
        self._loop = threads.loop
        self._lock = _own(self.path)
        try:
            self._connection = _writing(self.path)
            # NullPool and connections made once: SQLAlchemy's pool would hold a green lock in a real thread.
            self.engine: Engine = create_engine(
                url, poolclass=NullPool, connect_args={"check_same_thread": False, "timeout": READ_LOCK_SECONDS}
            )
            event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=NORMAL"))
            migrations.bring_up_to_date(self.engine, url)
            self._changer = self.engine.connect()
            self._changer.exec_driver_sql(f"PRAGMA busy_timeout={CHANGE_LOCK_MS}")
            self._changer.rollback()
            self._spare = [self.engine.connect() for _ in range(READERS)]
        except (sqlite3.DatabaseError, exc.DatabaseError) as error:
            self._lock.close()
            raise StoreRefused(f"the database {url} cannot be used: {getattr(error, 'orig', error)}") from None
        self.checkpoints = Checkpoints(self.path, threads.os_queue())
        loops.in_thread(threads, "checkpoints", self.checkpoints.run)

    def write(self, rows: Rows, still_wanted: Callable[[], bool]) -> None:
        """Store all of it in one transaction; raises StoreLocked, StoreUnavailable or StoreConflict, and then nothing is.

        `still_wanted` is asked right before the commit: what was given up meanwhile must not be stored after all.
        """
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            for name, statement in SQL.items():
                given = rows.get(name)
                if given:
                    if len(given) == 1:
                        run(statement, given[0])
                    else:
                        self._connection.executemany(statement, given)
            if not still_wanted():
                raise StoreUnavailable("it took too long")
            run("COMMIT")
        except sqlite3.IntegrityError as error:
            self._roll_back()
            raise StoreConflict(str(error)) from None
        except sqlite3.Error as error:
            self._roll_back()
            raise translated(error) from None
        except Exception:  # given up, or a value that SQLite has no type for
            self._roll_back()
            raise

    def find(self, statement: str, args: tuple[Any, ...]) -> Any:
        """The first row of a look-up by an index, or None; for the writer's own rare questions."""
        try:
            return self._connection.execute(statement, args).fetchone()
        except sqlite3.Error as error:
            raise translated(error) from None

    async def change(self, change: Callable[[Connection], Any], between_groups: Callable[..., None]) -> Any:
        """Between two groups, in the writer's thread; tried again for a while when somebody else holds the lock."""
        give_up = self._loop.time() + CHANGE_SECONDS
        while True:
            done: asyncio.Future[Any] = self._loop.create_future()
            between_groups(partial(hand_back, self._loop, done, self._changed, change))
            try:
                return await done
            except StoreLocked:
                if self._loop.time() > give_up:
                    raise

    def connect(self) -> Connection:
        """A connection of its own, for reads in a thread."""
        return self._spare.pop() if self._spare else self.engine.connect()

    def is_lost(self, connection: Connection, error: Exception | None) -> bool:
        """A file is always there."""
        return False

    def translated(self, error: Exception) -> Exception:
        """StoreUnavailable for what is the database's fault: locked, full, gone, or damaged (a bare DatabaseError)."""
        if not isinstance(error, exc.DatabaseError):
            return error
        if isinstance(error.orig, sqlite3.OperationalError) or type(error) is exc.DatabaseError:
            return translated(error.orig)  # type: ignore[arg-type]  # sqlite3's own error
        return error

    def troubles(self) -> list[str]:
        """Acknowledgements say so by themselves."""
        return []

    def stop(self) -> None:
        """End its thread."""
        self.checkpoints.stop()

    async def close(self) -> None:
        """Let the file go."""
        self.stop()
        self.let_go()

    def let_go(self) -> None:
        """Close what is open.

        Not `engine.dispose()`: NullPool keeps nothing, and it logs, with a green lock that a real thread may hold.
        """
        self._changer.close()
        self._connection.close()
        self._lock.close()

    def _changed(self, change: Callable[[Connection], Any]) -> Any:
        try:
            with self._changer.begin():
                return change(self._changer)
        except exc.DatabaseError as error:
            raise self.translated(error) from error.orig

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _writing(path: Path) -> sqlite3.Connection:
    """The connection that groups are written by."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=64)
    for pragma in (
        "journal_mode=WAL",  # readers and the writer work at once
        "synchronous=NORMAL",  # survives a killed process, not a power cut
        "wal_autocheckpoint=0",  # checkpoints are made in a thread (app/store/checkpoints.py)
        "temp_store=MEMORY",
        "cache_size=-32768",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _sql(statement: Statement) -> str:
    table = statement.table.name
    match statement:
        case Insert():
            verb = "INSERT OR REPLACE" if statement.replace else "INSERT"
            marks = ", ".join("?" * len(statement.columns))
            return f"{verb} INTO {table} ({', '.join(statement.columns)}) VALUES ({marks})"
        case Update():
            changes = ", ".join([*(f"{name} = ?" for name in statement.columns), *filter(None, [statement.fixed])])
            return f"UPDATE {table} SET {changes} WHERE {statement.key} = ?"  # noqa: S608 - our names
        case Forget():
            return f"DELETE FROM {table} WHERE {statement.order} < ?2"  # noqa: S608 - our names
        case _:  # a mark without a name is what no database takes
            there = f"SELECT 1 FROM {table} WHERE {statement.key} = ? AND {statement.condition}"  # noqa: S608 - our names
            return f"INSERT INTO marks (name, n) SELECT NULL, 0 WHERE NOT EXISTS ({there})"


SQL = {name: _sql(statement) for name, statement in STATEMENTS.items()}


def translated(error: sqlite3.Error) -> StoreUnavailable:
    """What SQLite's error means to us: somebody else holds the lock, or it cannot be used just now (full, damaged)."""
    code = getattr(error, "sqlite_errorcode", 0) & 255
    return (StoreLocked if code in BUSY else StoreUnavailable)(str(error))


@contextlib.contextmanager
def upkeep(url: str, changes: bool) -> Iterator[tuple[Engine, str]]:
    """The file for a command that runs by itself, and its name; raises StoreRefused, also when somebody else uses what
    is to be changed.
    """
    path = Path(url.removeprefix("sqlite:///"))
    there = url if changes or path.exists() else "sqlite://"  # to look makes no file
    with _own(path) if changes else contextlib.nullcontext():
        try:
            yield create_engine(there, poolclass=NullPool), url
        except exc.DatabaseError as error:
            raise StoreRefused(f"the database {url} cannot be used: {error.orig}") from None


def _own(path: Path) -> Any:
    """Lock the file's neighbour: one web process owns a SQLite file; raises StoreRefused when another does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = open(f"{path}.lock", "a")  # noqa: SIM115 - held open for as long as the store lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreRefused(
            f"another web process uses {path}: stop it, or give this one a DATA_DIR of its own"
        ) from None
    return lock
