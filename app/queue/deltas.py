"""Texts of runs on their way to the web process: a few pieces a second, and whatever is asked for once more."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from app.contract import DeltaMessage
from app.queue.sender import Sender
from app.queue.wire import Undecodable, read_text_request

PIECE_SECONDS = 0.05  # at least between two pieces of a text: the worker looks each 28 ms


class Written:
    """What one run has written. Its thread alone adds to it, and the loop sends what is new."""

    __slots__ = ("attempt", "job", "run", "sent", "sent_at", "task", "text")

    def __init__(self, task: str, job: str, attempt: int, run: str) -> None:
        self.task, self.job, self.attempt, self.run = task, job, attempt, run
        self.text = ""
        self.sent, self.sent_at = 0, 0.0  # code points, and when on the monotonic clock


class DeltaSender:
    """Publishes pieces on `deltas.TASK.JOB`, where they may get lost, and answers `text.JOB`, which makes that good."""

    def __init__(self, queue: Sender) -> None:
        self._queue = queue

    def send_due(self, written: Written, now: float) -> None:
        """Send what is new, unless something was sent just now."""
        if len(written.text) > written.sent and now - written.sent_at >= PIECE_SECONDS:
            self.send(written)

    def send(self, written: Written) -> None:
        """Send what is new."""
        text = written.text  # it may grow meanwhile
        if len(text) == written.sent:
            return
        piece = _piece(written, text, written.sent)
        written.sent, written.sent_at = len(text), time.monotonic()
        self._queue.tell(self._queue.names.delta(written.task, written.job).encode(), piece)

    @staticmethod
    def answer(held: Iterable[Written], job: str, asked: bytes) -> bytes | None:
        """What one of these has from the offset on that is asked for; None where that is none of them."""
        try:
            request = read_text_request(asked)
        except Undecodable:
            return None
        for written in held:
            if (written.job, written.attempt) == (job, request.attempt):
                text = written.text
                return _piece(written, text, min(request.offset, len(text)))
        return None


def _piece(written: Written, text: str, offset: int) -> bytes:
    return msgspec.json.encode(
        DeltaMessage(attempt=written.attempt, run=written.run, offset=offset, text=text[offset:])
    )
