"""Moving what was written from SQLite's log into its file, in a thread, so that the hub never waits for a disk.

Why this order (measured, docs/adr/0001): a RESTART checkpoint alone syncs both files while it holds the write lock, and
every acknowledgement waits 80-100 ms. So PASSIVE first, which blocks nobody, then the syncs, and only then RESTART for
the little that is left, 2-20 ms. PASSIVE alone never starts the log over, and under a steady load it grows for ever.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.1
BEGIN_BYTES = 4 << 20  # length of the log from which a checkpoint is worth its work
RESTART_BYTES = 64 << 20  # length from which the log is started over
LOCK_SECONDS = 2.0  # how long RESTART waits for the write lock


class Checkpoints:
    """Keeps the log short. `running` says whether the disk is busy with one at this moment."""

    def __init__(self, path: Path, naps: Any) -> None:
        """`naps` is a real queue (`queue.SimpleQueue`): what is put there wakes the thread before its time."""
        self._path, self._naps = path, naps
        self.running = False

    def cut(self) -> None:
        """Make the log as short as can be, now: the disk is full."""
        self._naps.put("cut")

    def stop(self) -> None:
        """End the thread."""
        self._naps.put("stop")

    def run(self) -> None:
        """Look again and again; the body of a real thread."""
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=LOCK_SECONDS)
        log = Path(f"{self._path}-wal")
        while True:
            try:
                word = self._naps.get(timeout=LOOK_SECONDS)
            except Exception:  # `queue.Empty` of whichever queue module this is: nobody called
                word = ""
            if word == "stop":
                connection.close()
                return
            # A checkpoint that fails (locked, disk full) is made at the next look.
            with contextlib.suppress(sqlite3.Error, OSError):
                if word == "cut":
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                elif log.stat().st_size >= BEGIN_BYTES:
                    self._checkpoint(connection, log)
            self.running = False

    def _checkpoint(self, connection: sqlite3.Connection, log: Path) -> None:
        self.running = True
        _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages * self._page_size(connection) < RESTART_BYTES or moved <= 0:
            return
        for _ in range(2):
            for file in (log, self._path):
                _sync(file)
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    @staticmethod
    def _page_size(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA page_size").fetchone()[0])


_open: dict[Path, int] = {}


def _sync(path: Path) -> None:
    """Sync a file through a descriptor that stays open: closing one would drop this process's locks on the file."""
    if path not in _open:
        _open[path] = os.open(path, os.O_RDWR)
    os.fsync(_open[path])
