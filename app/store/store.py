"""The store: reads off the hub, and writes in groups, so that the hub never waits for a disk or a lock."""

from __future__ import annotations

import fcntl
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, create_engine, event, exc
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from app.concurrency import Concurrency
from app.store.tables import VERSION, metadata

T = TypeVar("T")
Write = Callable[[Connection], Any]
Failed = Callable[[Exception], None]
log = structlog.get_logger()

GROUP = 4  # writes that are not urgent in one transaction at most: an urgent one may have to wait for them
URGENT_GROUP = 128  # urgent ones
READERS = 4
LOCK_SECONDS = 10  # how long a write waits for another process that holds the database


class StoreUnavailable(Exception):
    """The database cannot be written or read just now."""


class StoreRefused(Exception):
    """The database cannot be used at all; the message says why and what to do."""


class _Waiting:
    """One write on its way: the operation, what follows its commit, and somebody who may wait for it."""

    __slots__ = ("done", "error", "failed", "op", "then", "urgent", "value")

    def __init__(
        self, op: Write, then: Callable[[Any], None] | None, failed: Failed | None = None, urgent: bool = False
    ) -> None:
        self.op, self.then, self.failed, self.urgent = op, then, failed, urgent
        self.done = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None


class Store:
    """One database, one writer that commits in groups, a few readers."""

    def __init__(self, url: str, concurrency: Concurrency) -> None:
        self._concurrency = concurrency
        self._lock = _own(url)
        # NullPool and connections made once: SQLAlchemy's pool would hold a green lock in a real thread.
        self._engine = create_engine(
            url, poolclass=NullPool, connect_args={"check_same_thread": False, "timeout": LOCK_SECONDS}
        )
        event.listen(self._engine, "connect", _prepare)
        try:
            with self._engine.begin() as connection:
                _migrate(connection)
            self._writer = self._engine.connect()
            self._readers: queue.Queue[Connection] = queue.Queue()
            for _ in range(READERS):
                self._readers.put(self._engine.connect())
        except exc.DatabaseError as error:
            raise StoreRefused(f"the database {url} cannot be used: {error.orig}") from None
        self._urgent: deque[_Waiting] = deque()
        self._later: deque[_Waiting] = deque()
        self._some = threading.Event()
        self._closing = False
        self._urgent_took = (0.0, 0.0)
        self._closed = threading.Event()
        concurrency.spawn(self._write_for_ever)

    def write(self, op: Callable[[Connection], T], then: Callable[[T], None] | None = None, urgent: bool = False) -> T:
        """Commit `op` and return its value; raises StoreUnavailable when it could not be committed.

        `op` runs in a real thread and must touch nothing but its connection. `then` gets its value right after the
        commit, in the order of commits and before this returns: what is emitted there leaves in the order of `seq`.
        `urgent` writes, those a person waits for, go before others, and return before `then`: first the ack.
        """
        waiting = _Waiting(op, then, urgent=urgent)
        self._add(waiting, self._urgent if urgent else self._later)
        before = time.monotonic()
        waiting.done.wait()
        if urgent:
            self._urgent_took = time.monotonic(), time.monotonic() - before
        if waiting.error is not None:
            raise waiting.error
        return waiting.value  # type: ignore[no-any-return]  # op's own value

    def write_soon(
        self, op: Callable[[Connection], T], then: Callable[[T], None] | None = None, failed: Failed | None = None
    ) -> None:
        """Commit `op` with one of the next groups without waiting for it; if that fails `failed` gets the error."""
        self._add(_Waiting(op, then, failed), self._later)

    def late(self) -> float:
        """How many seconds the newest urgent write took, if it is no older than a tenth of a second; else 0."""
        at, took = self._urgent_took
        return took if time.monotonic() - at < 0.1 else 0.0

    def read(self, query: Callable[[Connection], T]) -> T:
        """The query's value, read off the hub; raises StoreUnavailable."""
        connection = self._readers.get()
        try:
            value: T = self._concurrency.offload(_read, connection, query)
            return value
        except exc.DatabaseError as error:
            raise _translated(error) from None
        finally:
            self._readers.put(connection)

    def close(self) -> None:
        """Commit what waits, then let the database go."""
        self._closing = True
        self._some.set()
        self._closed.wait()
        self._writer.close()
        while not self._readers.empty():
            self._readers.get().close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def _add(self, waiting: _Waiting, line: deque[_Waiting]) -> None:
        line.append(waiting)
        self._some.set()

    def _write_for_ever(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            # A group of its own for what people wait for: the others would only make it longer.
            while group := _take(self._urgent, URGENT_GROUP) or _take(self._later, GROUP):
                self._commit(group)
            if self._closing:
                self._closed.set()
                return

    def _commit(self, group: list[_Waiting]) -> None:
        """Commit the group together; if that fails one by one, so that one bad write takes no others with it."""
        try:
            self._concurrency.offload(_run_group, self._writer, group)
        except Exception as error:
            if len(group) > 1:
                for each in group:
                    self._commit([each])
                return
            group[0].error = _translated(error)
            if isinstance(group[0].error, StoreUnavailable):
                log.error("write failed", error=str(group[0].error))
            else:  # no disk's fault, ours: it fails each time
                log.error("a write that cannot work", exc_info=error)
        if group[0].urgent:
            for each in group:
                each.done.set()
            time.sleep(0)  # their turn: acks leave before what follows from them
        for number, each in enumerate(group):
            self._finish(each)
            if number % 32 == 31:
                time.sleep(0)  # what follows a commit runs on the hub: let others have their turn

    @staticmethod
    def _finish(waiting: _Waiting) -> None:
        follow, value = (waiting.then, waiting.value) if waiting.error is None else (waiting.failed, waiting.error)
        if follow is not None:
            try:
                follow(value)
            except Exception:  # committed already: the writer must go on for everybody else
                log.exception("after a commit")
        waiting.done.set()


def _take(line: deque[_Waiting], most: int) -> list[_Waiting]:
    return [line.popleft() for _ in range(min(len(line), most))]


def _run_group(connection: Connection, group: list[_Waiting]) -> None:
    with connection.begin():
        for each in group:
            each.value = each.op(connection)


def _read(connection: Connection, query: Callable[[Connection], Any]) -> Any:
    try:
        return query(connection)
    finally:
        connection.rollback()  # ends the snapshot, so that the next read sees what was committed since


def _translated(error: Exception) -> Exception:
    """StoreUnavailable for what is the database's fault: locked, full, gone, or damaged (a bare DatabaseError)."""
    database = isinstance(error, exc.OperationalError) or type(error) is exc.DatabaseError
    return StoreUnavailable(str(error.orig)) if database else error  # type: ignore[attr-defined]  # both have orig


def _own(url: str) -> Any:
    """Lock the SQLite file's neighbour: one web process owns the file; raises StoreRefused when another does."""
    path = make_url(url).database
    if path is None:
        return None
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lock = open(f"{path}.lock", "a")  # noqa: SIM115 - held open for as long as the store lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreRefused(
            f"another web process uses {path}: stop it, or give this one a DATA_DIR of its own"
        ) from None
    return lock


def _prepare(connection: Any, _: Any) -> None:
    """WAL lets readers and the writer work at once; NORMAL survives a killed process, not a power cut."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _migrate(connection: Connection) -> None:
    found = connection.exec_driver_sql("PRAGMA user_version").scalar()
    if found not in (0, VERSION):
        raise StoreRefused(
            f"the database has version {found}, this Spillway knows version {VERSION}: run the newer Spillway"
        )
    metadata.create_all(connection)
    connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")
