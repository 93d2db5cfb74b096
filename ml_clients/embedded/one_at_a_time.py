"""Keeps heavy work from taking every thread of the server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BusyError(Exception):
    """Enough heavy work waits already."""


class OneAtATime:
    """Lets one through at a time and a few wait; who comes on top of those is turned away."""

    def __init__(self, waiting: int) -> None:
        self._admitted = threading.BoundedSemaphore(waiting + 1)
        self._running = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Runs the block alone, waiting for its turn. Raises BusyError."""
        if not self._admitted.acquire(blocking=False):
            raise BusyError
        try:
            with self._running:
                yield
        finally:
            self._admitted.release()
