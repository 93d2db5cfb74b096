"""What the parts of a running system use up: processor time, memory, sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

import psutil

from app.compare.samples import Use

EVERY = 0.5  # seconds between two looks


class Meter:
    """Looks at each part twice a second; a part that was started again goes on where its predecessor ended."""

    def __init__(self, parts: Callable[[], Mapping[str, psutil.Process]]) -> None:
        self._parts = parts
        self._used: dict[tuple[str, int], float] = {}  # (part, process) -> processor seconds, as last seen
        self._before: dict[str, float] = {}
        self.uses: list[Use] = []

    def begin(self) -> None:
        """Count from here."""
        self.look(0.0)
        self.uses.clear()
        self._before = {part: self._cpu(part) for part, _ in self._used}

    async def watch(self, begin: float) -> None:
        """Look until cancelled; times count from `begin` on the monotonic clock."""
        while True:
            await asyncio.to_thread(self.look, time.monotonic() - begin)
            await asyncio.sleep(EVERY)

    def look(self, at: float) -> None:
        """Look once."""
        for part, process in self._parts().items():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                self._used[part, process.pid] = times.user + times.system
                sockets = len(process.net_connections("tcp"))
                cpu = self._cpu(part) - self._before.get(part, 0.0)
                self.uses.append(Use(round(at, 3), part, round(cpu, 2), process.memory_info().rss / 1e6, sockets))

    def _cpu(self, part: str) -> float:
        return sum(seconds for (name, _), seconds in self._used.items() if name == part)
