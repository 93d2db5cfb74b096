"""What is done again and again, on the loop: one that fails is logged and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

MAX_PAUSE_SECONDS = 60.0  # between two tries of one that fails each time


class Loops:
    """Runs functions every so many seconds for as long as the process lives; `failing` names those that cannot."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: list[asyncio.Task[None]] = []
        self.failing: dict[str, int] = {}  # how many times in a row

    def every(self, seconds: float, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Take this step now and every so many seconds, with growing pauses while it fails."""
        self._tasks.append(self._loop.create_task(self._run(seconds, name, step)))

    def stop(self) -> None:
        """Take no more steps."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, seconds: float, name: str, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
                self.failing.pop(name, None)
            except Exception as error:  # whatever it was, the next step may work
                self.failing[name] = self.failing.get(name, 0) + 1
                if self.failing[name] in (1, 10, 100):
                    log.warning("a recurring step failed", step=name, error=repr(error), times=self.failing[name])
            await asyncio.sleep(min(seconds * 2 ** min(self.failing.get(name, 0), 10), max(seconds, MAX_PAUSE_SECONDS)))
