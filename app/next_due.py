"""What the database has for a later time: one timer for the next of it, so that a million of them cost no memory."""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable

import structlog

from app.due import Due, Entry

log = structlog.get_logger()

RETRY_SECONDS = 1.0  # until it is looked again after a failure

Look = Callable[[], Awaitable[float | None]]


class NextDue:
    """Looks when the next of it is due, and goes on until nothing is left."""

    def __init__(self, due: Due, loop: AbstractEventLoop, what: str, look: Look) -> None:
        """`look` does what is due, and returns when the next is (seconds since 1970), or None."""
        self._due, self._loop, self._what, self._look = due, loop, what, look
        self._at = 0.0  # on the loop's clock, which nobody sets
        self._entry: Entry | None = None
        self._looking = self._again = self._stopped = False

    def expect(self, at: float) -> None:
        """Something is due at this time, in seconds since 1970."""
        when = self._loop.time() + at - time.time()
        if self._stopped or (self._entry is not None and self._at <= when):
            return
        if self._entry is not None:
            self._due.cancel(self._entry)
        self._at, self._entry = when, self._due.at(at, self._wake)

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        if self._entry is not None:
            self._due.cancel(self._entry)
            self._entry = None

    def _wake(self) -> None:
        self._entry = None
        self._again = self._looking
        if not self._looking:
            self._looking = True
            self._loop.create_task(self._look_now())

    async def _look_now(self) -> None:
        try:
            at = await self._look()
        except Exception as error:  # whatever it was, what is due must not wait for a restart
            log.error("what is due could not be looked for", what=self._what, error=repr(error))
            at = time.time() + RETRY_SECONDS
        self._looking = False
        if self._again:
            self._again, at = False, time.time()
        if at is not None:
            self.expect(at)
