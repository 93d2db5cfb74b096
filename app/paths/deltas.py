"""Texts as they grow at workers: heard as they come, and asked for where something is missing."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Container

import msgspec
import structlog

from app.contract import TextRequest
from app.queue.servers import Servers
from app.queue.wire import Undecodable, read_delta

log = structlog.get_logger()

Wrote = Callable[[str, int, str, int, str], None]  # job, attempt, run, offset, text


class DeltaReader:
    """Hands what workers write to the life of their jobs. What gets lost on the way is asked for, once at a time."""

    def __init__(self, loop: AbstractEventLoop, queue: Servers, cancelled: Container[str]) -> None:
        """`cancelled` are jobs that nobody waits for any more: a worker that goes on with one has missed the word."""
        self._loop, self._queue, self._cancelled = loop, queue, cancelled
        self._asking: set[str] = set()
        self.wrote: Wrote = lambda job, attempt, run, offset, text: None

    def take(self, job: str, data: bytes) -> None:
        """A worker says how the text of a job goes on."""
        if job in self._cancelled:
            self._queue.tell_all(lambda queue: queue.tell_cancelled(job))
            return
        try:
            delta = read_delta(data)
        except Undecodable as error:
            log.warning("a piece of a text cannot be read", job=job, error=str(error))
            return
        self.wrote(job, delta.attempt, delta.run, delta.offset, delta.text)

    def ask(self, job: str, attempt: int, offset: int) -> None:
        """Ask the worker what the attempt has written from this offset on."""
        if job not in self._asking and self._queue.connected:
            self._asking.add(job)
            self._loop.create_task(self._fetch(job, attempt, offset))

    async def _fetch(self, job: str, attempt: int, offset: int) -> None:
        try:
            answer = await self._queue.ask_text(job, msgspec.json.encode(TextRequest(attempt=attempt, offset=offset)))
        finally:
            self._asking.discard(job)
        if answer is not None:
            self.take(job, answer)
