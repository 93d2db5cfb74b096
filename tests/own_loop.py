"""What the store needs of app/concurrency, for a test: an asyncio loop whose clock can be moved on, and real threads."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")

WAIT = 20.0  # seconds until a test gives up on what must happen


class MovableLoop(asyncio.SelectorEventLoop):
    """A loop like any other, whose clock and the wall clock can be moved on together."""

    ahead = 0.0

    def time(self) -> float:
        """The loop's clock."""
        return super().time() + self.ahead


class OwnLoop:
    """A loop that runs only while a test says so, and threads that can be waited for."""

    def __init__(self) -> None:
        self.clock = MovableLoop()
        self.loop: asyncio.AbstractEventLoop = self.clock
        self._threads: list[threading.Thread] = []

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """A real thread; what it reports to a loop that is gone is lost, as in a killed process."""
        self._threads.append(threading.Thread(target=_until_killed, args=(function, *args), daemon=True))
        self._threads[-1].start()

    def os_queue(self) -> Any:
        """The standard library's."""
        return queue.SimpleQueue()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's value."""
        return self.loop.run_until_complete(coroutine)

    def until(self, reached: Callable[[], Any]) -> None:
        """Run the loop until it is so."""

        async def wait() -> None:
            give_up = time.monotonic() + WAIT
            while not reached():
                assert time.monotonic() < give_up, "it never came to that"
                await asyncio.sleep(0.001)

        self.run(wait())

    def rounds(self, count: int = 1) -> None:
        """Run the loop so many times around."""

        async def turn() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        self.run(turn())

    def join(self) -> None:
        """Wait for the threads, which were told to end."""
        for thread in self._threads:
            thread.join(WAIT)
            assert not thread.is_alive(), "a thread does not end"

    def close(self) -> None:
        """Drop everything that is under way on the loop, as a killed process does."""
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant to end like this
            running: Any = task.get_coro()
            for held in inspect.getcoroutinelocals(running).values():  # what it was about to await
                if asyncio.iscoroutine(held):
                    held.close()
            running.close()
        self.loop.close()


def _until_killed(function: Callable[..., Any], *args: Any) -> None:
    try:
        function(*args)
    except RuntimeError as error:
        if "closed" not in str(error):
            raise


@contextmanager
def wall_clock_of(ahead: Callable[[], float]) -> Iterator[None]:
    """The wall clock is as far ahead as the function says."""
    real = time.time

    def moved() -> float:
        return real() + ahead()

    with mock.patch("time.time", moved):
        yield
