"""Results on their way to the web process: what ends in one loop round is one message a task, published until stored."""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from msgspec import Raw

from app.contract import MAX_RESULT_BYTES, JobError, ResultMessage
from app.queue.confirmation import CONFIRM_SECONDS, Confirmation
from app.queue.names import PROCESS
from app.queue.sender import Sender
from app.queue.wire import MAX_BATCH_BYTES

log = structlog.get_logger()

RETRY_SECONDS = (0.1, 5.0)  # the first and the longest pause before a batch that was not taken is published again

Item = tuple[ResultMessage, bytes, Callable[[], None]]

_encode = msgspec.json.Encoder().encode


class _Batch:
    """Results of one task in one message, and what follows once it is stored."""

    __slots__ = ("due", "id", "items", "pause", "process", "sent_at", "server", "task", "token")

    def __init__(self, task: str, process: str, server: int, items: list[Item]) -> None:
        self.task, self.process, self.server, self.items = task, process, server, items
        first = items[0][0]
        self.id = f"{first.job}.{first.attempt}.{first.run}"  # kept when it is sent again
        self.token: Any = None
        self.pause, self.due, self.sent_at = RETRY_SECONDS[0], 0.0, 0.0

    def body(self) -> bytes:
        """One object, or an array of several."""
        bodies = [body for _, body, _ in self.items]
        return bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"


class Results:
    """Publishes results; one that is not stored yet is never acknowledged away."""

    def __init__(self, loop: AbstractEventLoop, queue: Sender) -> None:
        self._loop, self._queue = loop, queue
        self._new: dict[tuple[str, str, int], list[Item]] = {}  # by task, web process and server
        self._batches: set[_Batch] = set()

    def put(
        self,
        task: str,
        message: ResultMessage,
        result: bytes | None,
        stored: Callable[[], None],
        process: str = "",
        server: int = 0,
    ) -> None:
        """Publish with this loop round's other results of the task; `stored` is called once the broker has it.

        `process` is the web process that the job is one of, where it said so, and `server` the one that it came from: where
        that stays away, the attempt is made again, and so the result must not be on another.
        """
        if result is not None and len(result) > MAX_RESULT_BYTES:
            message.state = "failed"
            message.error = JobError(
                "result_too_large", f"the result has {len(result)} bytes, allowed are {MAX_RESULT_BYTES}"
            )
        elif result is not None:
            message.result = Raw(result)
        if not self._new:
            self._loop.call_soon(self._send_new)
        self._new.setdefault((task, process, server), []).append((message, _encode(message), stored))

    def announce(
        self, task: str, job: str, attempt: int, run: str, process: str = "", progress: str | None = None
    ) -> None:
        """Say that a run goes on, and how far it has come; nobody waits for a confirmation, and it may be lost."""
        message = ResultMessage(job=job, attempt=attempt, run=run, state="running")
        if progress is not None:
            message.progress = Raw(progress.encode())
        self._queue.tell(self._queue.names.result(task).encode(), _encode(message), _of(process))

    def check(self) -> None:
        """Publish again what was refused and is due, and what was not confirmed in time; to be called often."""
        now = time.monotonic()
        for batch in list(self._batches):
            if (batch.due and batch.due <= now) or (not batch.due and now - batch.sent_at > CONFIRM_SECONDS):
                self._send(batch)

    def publish_again(self) -> None:
        """Publish everything once more: confirmations may be lost with the connection."""
        for batch in list(self._batches):
            self._send(batch)

    def _send_new(self) -> None:
        new, self._new = self._new, {}
        for (task, process, server), items in new.items():
            size, some = 0, list[Item]()
            for item in items:
                if some and size + len(item[1]) > MAX_BATCH_BYTES - 1024:
                    self._send(_Batch(task, process, server, some))
                    size, some = 0, []
                some.append(item)
                size += len(item[1]) + 1
            self._send(_Batch(task, process, server, some))

    def _send(self, batch: _Batch) -> None:
        if batch.token is not None:
            self._queue.forget(batch.token)
        self._batches.add(batch)
        batch.due, batch.sent_at = 0.0, time.monotonic()
        headers = f"Nats-Msg-Id: {batch.id}\r\n".encode() + _of(batch.process)
        subject = self._queue.names.result(batch.task)
        batch.token = self._queue.publish(
            subject, batch.body(), headers, lambda answer: self._confirmed(batch, answer), batch.server
        )

    def _confirmed(self, batch: _Batch, confirmation: Confirmation) -> None:
        if confirmation.verdict == "stored":
            self._batches.discard(batch)
            for _, _, stored in batch.items:
                stored()
        elif confirmation.verdict == "refused":
            self._batches.discard(batch)
            self._refused(batch, confirmation.error.description if confirmation.error else "refused")
        else:
            why = confirmation.error.description if confirmation.error else "no stream answers"
            log.warning("results not published yet", results=len(batch.items), error=why)
            batch.due = time.monotonic() + batch.pause
            batch.pause = min(batch.pause * 2, RETRY_SECONDS[1])

    def _refused(self, batch: _Batch, why: str) -> None:
        """The broker will never take this message: send its results one by one, and a failure for one that is too large."""
        for message, body, stored in batch.items:
            if len(batch.items) == 1:
                error = JobError("result_too_large", f"the broker refuses the result: {why}")
                message = _failed(message, error)
                body = _encode(message)
            self._send(_Batch(batch.task, batch.process, batch.server, [(message, body, stored)]))


def _of(process: str) -> bytes:
    """The header that says whose job it is, so that the result finds its way."""
    return f"{PROCESS}: {process}\r\n".encode() if process else b""


def _failed(message: ResultMessage, error: JobError) -> ResultMessage:
    """A new message, for an empty `Raw` set on the old one would be written as no JSON at all."""
    return ResultMessage(
        job=message.job, attempt=message.attempt, run=message.run, state="failed", error=error, ms=message.ms
    )
