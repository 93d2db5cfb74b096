"""Committing to a database on this machine.

In the loop's own turn while that is quick (20-50 us a commit), and through a real thread while a checkpoint keeps the
disk busy and for half a second after a slow commit: a write can block in the kernel behind somebody's fsync
(docs/adr/0001 has the measurements of both).
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from app.loops import Loops
from app.store.checkpoints import Checkpoints
from app.store.errors import StoreConflict, StoreUnavailable
from app.store.group import Group, Threads, Written
from app.store.sqlite import Sqlite

log = structlog.get_logger()

MAX_GROUP = 300  # operations in one transaction
MIN_GROUP = 16
ROUND_SECONDS = 0.004  # what one group may take of the loop's time: what arrives meanwhile waits as long
SLOW_SECONDS = 0.01  # a commit past this makes the writer use its thread for QUIET_SECONDS
QUIET_SECONDS = 0.5
THREAD_GAP_SECONDS = 0.003  # between two groups of the thread: fewer, larger ones cost less than half


class Local:
    """Commits groups to a SQLite file."""

    apart = False

    def __init__(self, database: Sqlite, checkpoints: Checkpoints, threads: Threads, loops: Loops) -> None:
        self._database, self._checkpoints, self._loop = database, checkpoints, threads.loop
        self._cost = 0.0001  # seconds an operation, as measured lately
        self._quiet_until = self._threaded_at = 0.0
        self._work = threads.os_queue()
        loops.in_thread(threads, "writer", self._serve_thread)

    @property
    def limit(self) -> int:
        """As many as a round of the loop has time for."""
        return min(MAX_GROUP, max(MIN_GROUP, int(ROUND_SECONDS / self._cost)))

    @property
    def next_at(self) -> float:
        """A little after the last group of the thread."""
        return self._threaded_at + THREAD_GAP_SECONDS

    def write(self, group: Group, written: Written) -> None:
        """Here, or in the thread."""
        if self._checkpoints.running or group.started < self._quiet_until:
            self._threaded_at = group.started
            group.watch(self._loop)
            self._work.put(lambda: self._loop.call_soon_threadsafe(written, group, self._write(group)))
            return
        error = self._write(group)
        took = self._loop.time() - group.started
        if took > SLOW_SECONDS:
            self._quiet_until = self._loop.time() + QUIET_SECONDS
        self._cost += (took / len(group.operations) - self._cost) * 0.1
        written(group, error)

    def run(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        """In the thread."""

        def both() -> None:
            work()
            self._loop.call_soon_threadsafe(done)

        self._work.put(both)

    def failed(self) -> None:
        """A full disk with a long log: the log is what can be made shorter."""
        self._checkpoints.cut()

    def stop(self) -> None:
        """End the thread."""
        self._work.put(None)

    def _write(self, group: Group) -> Exception | None:
        try:
            self._database.write(group.rows, group.still_wanted)
        except StoreConflict as error:
            return self._with_row(group, error)
        except StoreUnavailable as error:
            return error
        except Exception as error:  # a row that the database cannot take is a mistake of ours: the others must not pay
            log.exception("a group could not be written")
            return self._with_row(group, StoreConflict(repr(error)))
        return None

    def _with_row(self, group: Group, error: StoreConflict) -> Exception:
        look = group.by_key()
        try:
            error.row = self._database.find(*look) if look is not None else None
        except StoreUnavailable as away:
            return away
        return error

    def _serve_thread(self) -> None:
        while (work := self._work.get()) is not None:
            work()
