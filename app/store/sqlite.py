"""SQLite: opening the file, writing groups of rows, and what its errors mean. A store for PostgreSQL is a sibling."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from app.store.errors import StoreConflict, StoreLocked, StoreRefused, StoreUnavailable
from app.store.operation import Rows
from app.store.statements import STATEMENTS

READ_LOCK_SECONDS = 5.0  # readers wait only for a recovery after a crash; they run in threads of their own
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Database:
    """One SQLite file, owned by this process. `write` never waits for a lock: it raises StoreLocked instead."""

    def __init__(self, url: str) -> None:
        self.path = Path(url.removeprefix("sqlite:///"))
        self._lock = _own(self.path)
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            for pragma in (
                "journal_mode=WAL",  # readers and the writer work at once
                "synchronous=NORMAL",  # survives a killed process, not a power cut
                "wal_autocheckpoint=0",  # checkpoints are made in a thread (app/store/checkpoints.py)
                "temp_store=MEMORY",
                "cache_size=-32768",
            ):
                self._connection.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise StoreRefused(f"the database {url} cannot be used: {error}") from None
        # NullPool and connections made once: SQLAlchemy's pool would hold a green lock in a real thread.
        self.engine: Engine = create_engine(
            url, poolclass=NullPool, connect_args={"check_same_thread": False, "timeout": READ_LOCK_SECONDS}
        )
        event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=NORMAL"))

    def write(self, rows: Rows, still_wanted: Callable[[], bool]) -> None:
        """Store all of it in one transaction; raises StoreLocked, StoreUnavailable or StoreConflict, and then nothing is.

        `still_wanted` is asked right before the commit: what was given up meanwhile must not be stored after all.
        """
        run = self._connection.execute
        try:
            run("BEGIN IMMEDIATE")
            for name, statement in STATEMENTS.items():
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

    def connect(self) -> Connection:
        """A connection of its own, for reads and rare changes in a thread."""
        return self.engine.connect()

    def close(self) -> None:
        """Let the file go.

        Not `engine.dispose()`: NullPool keeps nothing, and it logs, with a green lock that a real thread may hold.
        """
        self._connection.close()
        self._lock.close()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def translated(error: sqlite3.Error) -> StoreUnavailable:
    """What SQLite's error means to us: somebody else holds the lock, or it cannot be used just now (full, damaged)."""
    code = getattr(error, "sqlite_errorcode", 0) & 255
    return (StoreLocked if code in BUSY else StoreUnavailable)(str(error))


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
