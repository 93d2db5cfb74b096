"""Which runs of the simple path had really begun when the process was killed: only those count as deaths.

The ledger cannot say: a row says `running` from the commit that accepts the job, before its run begins. A second write
before each run would cost as much as the job. So the places of those that run stand in a small file which the process
has in memory: the kernel keeps what is in it when the process is killed. It is lost with the machine, whose end is no
fault of a task's.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

import structlog

log = structlog.get_logger()

SPARE = 1024  # places beyond the slots: an attempt keeps its own until its outcome is committed
PLACE = struct.Struct("<q")


class Begun:
    """Notes in `path` which attempts run, at most `slots` and SPARE of them, and knows which ran when it was last open.

    Without a file, or where it cannot be had, for a full disk say, nothing is noted, and everything counts as begun.
    """

    def __init__(self, path: Path | None = None, slots: int = 0) -> None:
        self._before: set[int] | None = None
        self._map: mmap.mmap | None = None
        self._at: dict[int, int] = {}
        self._free = list(range((slots + SPARE) * PLACE.size, 0, -PLACE.size))
        if path is not None:
            self._open(path, (len(self._free) + 1) * PLACE.size)  # the first says whether there were ever too many

    def _open(self, path: Path, size: int) -> None:
        try:
            with path.open("a+b") as file:
                file.seek(0)
                kept = file.read()
                # Never shorter than it was: whoever still had it in memory would be ended by the kernel.
                self._before, size = _those_in(kept), max(size, len(kept))
                os.posix_fallocate(file.fileno(), 0, size)  # a disk that is full later does not matter
                self._map = mmap.mmap(file.fileno(), size)
                self._map[:] = bytes(size)
        except OSError as error:
            log.warning("which runs began is not kept: after a kill all count", error=error.strerror, path=str(path))

    def note(self, n: int) -> None:
        """The run of the job at this place begins. From any thread."""
        if self._map is None or n in self._at:  # there already: an earlier attempt's, which still goes on
            return
        try:
            at = self._free.pop()
        except IndexError:
            PLACE.pack_into(self._map, 0, 1)
            return
        self._at[n] = at
        PLACE.pack_into(self._map, at, n)

    def forget(self, n: int) -> None:
        """How it ended is committed."""
        at = self._at.pop(n, None)
        if at is not None and self._map is not None:
            PLACE.pack_into(self._map, at, 0)
            self._free.append(at)

    def had(self, n: int) -> bool:
        """Whether the job at this place may have begun before the process was started."""
        return self._before is None or n in self._before


def _those_in(kept: bytes) -> set[int] | None:
    """The places in the file, or None where it cannot say: it is new, or there were too many."""
    found = {place for (place,) in PLACE.iter_unpack(kept[: len(kept) // PLACE.size * PLACE.size])}
    return None if not kept or PLACE.unpack_from(kept)[0] else found - {0}
