"""What is done for as long as the process lives: one that fails is logged, counted, and goes on with growing pauses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from app.where import place_of

log = structlog.get_logger()

MAX_PAUSE_SECONDS = 5.0  # between two tries of one that fails each time: heartbeats and retries wait for it
RESTART_SECONDS = 0.5  # before one that should never end is run again; doubled with each failure in a row
STEADY_SECONDS = 5.0  # after which one that was run again, and has not failed since, counts as mended
CANNOT_RUN = 3  # failures in a row after which it is no accident: /readyz is red
LOGGED = (1, 10, 100)  # failures in a row that are worth a line


class Threads(Protocol):
    """What makes real threads, also in a process of green ones: app/concurrency."""

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """Run in a real thread."""

    def os_queue(self) -> Any:
        """A `queue.SimpleQueue` on which such a thread may wait."""


class Loops:
    """Every endless loop of a process. `failing` says how many times in a row each of those failed that cannot run now."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.failing: dict[str, int] = {}
        self.on_failure: Callable[[str], None] = lambda name: None  # counts
        self._stops: list[Callable[[], Any]] = []

    def every(self, seconds: float, name: str, step: Callable[[], Awaitable[None]]) -> Callable[[], Any]:
        """Await this step now and every so many seconds; returns what stops it."""
        return self._stoppable(self.loop.create_task(self._steps(seconds, name, step)).cancel)

    def tick(self, seconds: float, name: str, step: Callable[[], Any]) -> Callable[[], Any]:
        """Call this function, which never waits, every so many seconds from now on; returns what stops it."""
        return self._stoppable(_Tick(self, seconds, name, step).stop)

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> Callable[[], Any]:
        """Await this work, again and again until it returns without an error; returns what stops it."""
        return self._stoppable(self.loop.create_task(self._until_done(name, work)).cancel)

    def in_thread(self, threads: Threads, name: str, work: Callable[..., None], *args: Any) -> None:
        """Run this work in a real thread, and again when it ends with an error."""
        threads.os_thread(self._serve, threads.os_queue(), name, work, args)

    def cannot_run(self) -> list[str]:
        """The names of those that failed several times in a row and have not worked since."""
        return sorted(name for name, times in self.failing.items() if times >= CANNOT_RUN)

    def stop(self) -> None:
        """Take no more steps; threads are ended by whoever started them."""
        for stop in self._stops:
            stop()

    def failed(self, name: str, error: Exception) -> None:
        """Log and count one failure."""
        times = self.failing[name] = self.failing.get(name, 0) + 1
        self.on_failure(name)
        if times in LOGGED:
            log.error("a loop failed and goes on", loop=name, times=times, error=repr(error), at=place_of(error))

    def worked(self, name: str) -> None:
        """It works again."""
        if name in self.failing:
            log.info("a loop works again", loop=name, failures=self.failing.pop(name))

    def pause(self, seconds: float, name: str) -> float:
        """How long to wait before the next step: doubled with each failure in a row."""
        doubled: float = seconds * 2 ** min(self.failing.get(name, 0), 10)
        return min(doubled, max(seconds, MAX_PAUSE_SECONDS))

    def _stoppable(self, stop: Callable[[], Any]) -> Callable[[], Any]:
        self._stops.append(stop)
        return stop

    async def _steps(self, seconds: float, name: str, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
                self.worked(name)
            except Exception as error:  # whatever it was, the next step may work
                self.failed(name, error)
            await asyncio.sleep(self.pause(seconds, name))

    async def _until_done(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                self.worked(name)
                return
            except Exception as error:  # as above
                self.failed(name, error)
            await asyncio.sleep(self.pause(RESTART_SECONDS, name))

    def _serve(self, nobody: Any, name: str, work: Callable[..., None], args: tuple[Any, ...]) -> None:
        while True:
            try:
                work(*args)
                return
            except Exception as error:  # as above
                self.loop.call_soon_threadsafe(self._thread_failed, name, error)
            # `Empty` of whichever queue module this is, for nobody puts anything there: a pause of this thread alone.
            with contextlib.suppress(Exception):
                nobody.get(timeout=self.pause(RESTART_SECONDS, name))

    def _thread_failed(self, name: str, error: Exception) -> None:
        self.failed(name, error)
        wait = self.pause(RESTART_SECONDS, name) + STEADY_SECONDS
        self.loop.call_later(wait, self._steady, name, self.failing[name])

    def _steady(self, name: str, times: int) -> None:
        if self.failing.get(name) == times:
            self.worked(name)


class _Tick:
    """A function that is called again and again by the loop's own timer: much cheaper than a task that sleeps."""

    def __init__(self, loops: Loops, seconds: float, name: str, step: Callable[[], None]) -> None:
        self._loops, self._seconds, self._name, self._step = loops, seconds, name, step
        self._timer = loops.loop.call_later(seconds, self._call)

    def stop(self) -> None:
        """Call it no more."""
        self._timer.cancel()

    def _call(self) -> None:
        loops = self._loops
        # Set before the call, so that the function can stop it.
        self._timer = loops.loop.call_later(loops.pause(self._seconds, self._name), self._call)
        try:
            self._step()
            loops.worked(self._name)
        except Exception as error:  # as above
            loops.failed(self._name, error)
            self._timer.cancel()
            self._timer = loops.loop.call_later(loops.pause(self._seconds, self._name), self._call)
