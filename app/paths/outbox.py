"""The outbox: attempts on their way to the broker, published until it confirms them.

The ledger is the outbox; this is the part of it that is in memory. Publishing again is harmless: the broker knows an
attempt by its Nats-Msg-Id, and the ledger takes only the first outcome.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from app.jobs.job import Job
from app.loops import Loops
from app.queue.confirmation import CONFIRM_SECONDS, Confirmation
from app.queue.sender import Sender

log = structlog.get_logger()

WINDOW = 4000  # attempts on their way at once
WINDOW_BYTES = 16 << 20
LOOK_SECONDS = 0.5  # between two looks for what was not confirmed, and for what the broker has had for long
PAUSE_SECONDS = 1.0  # before it is tried again when the broker refused: the breaker
PARK_SECONDS = 1.0  # an attempt the broker has had for so long is left to the ledger
FALL_BACK_SECONDS = 10.0  # after which an attempt on `auto` takes the simple path instead


@dataclass(slots=True)
class Entry:
    """One attempt, and since when it waits (on the loop's clock)."""

    job: Job
    attempt: int
    since: float
    size: int = 0
    sent_at: float = 0.0
    token: Any = None


class Outbox:
    """Publishes attempts, and knows which the broker has not confirmed."""

    def __init__(self, loops: Loops, queue: Sender, message: Callable[[Job], tuple[str, bytes, bytes]]) -> None:
        """`message` gives an attempt's subject, payload and headers."""
        self._loop, self._loops, self._queue, self._message = loops.loop, loops, queue, message
        self.park: Callable[[Job, int, int], None] = lambda job, attempt, seq: None
        self.fall_back: Callable[[Job], None] = lambda job: None
        self.may_fall_back: Callable[[Job], bool] = lambda job: False
        self.refuse: Callable[[Job, int, str], None] = lambda job, attempt, why: None
        self._waiting: deque[Entry] = deque()
        self._sent: dict[Any, Entry] = {}
        self._sent_bytes = 0
        self._stored: deque[tuple[float, Job, int, int]] = deque()
        self._open = self._closed = False
        self.refused = False  # the stream was full, or away, at the last try
        self._paused_until = 0.0
        self._stop: Callable[[], Any] = lambda: None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    def put(self, job: Job) -> None:
        """Publish this attempt as soon as the broker takes it."""
        self._waiting.append(Entry(job, job.attempt, self._loop.time()))
        self._send()

    def drop(self, tasks: Iterable[str]) -> list[Job]:
        """Publish nothing of these tasks that waits, and forget what was published of them; returns what was not confirmed."""
        self._take_back(lambda entry: entry.job.task in tasks)
        dropped = [entry.job for entry in self._waiting if entry.job.task in tasks and _is_wanted(entry)]
        self._waiting = deque(entry for entry in self._waiting if entry.job.task not in tasks)
        self._stored = deque(each for each in self._stored if each[1].task not in tasks)
        return dropped

    def open(self) -> None:
        """The broker is there: publish what waits, and look after it from now on."""
        self._open = True
        self._send()
        self._stop = self._loops.tick(LOOK_SECONDS, "outbox", self._look)

    def close(self) -> None:
        """Publish nothing more; the ledger knows what was not confirmed."""
        self._closed = True
        self._stop()

    def publish_again(self, server: int | None = None) -> None:
        """Publish what was not confirmed once more: its confirmations may be lost with the connection, to one server or to all."""
        self._take_back(lambda entry: server is None or entry.token[0] == server)
        self._paused_until = 0.0
        self._send()

    def _send(self) -> None:
        if not self._open or self._closed or self._loop.time() < self._paused_until or not self._queue.connected:
            return
        while self._waiting and len(self._sent) < WINDOW and self._sent_bytes < WINDOW_BYTES:
            entry = self._waiting[0]
            if not _is_wanted(entry):
                self._waiting.popleft()
                continue
            subject, payload, headers = self._message(entry.job)
            entry.size, entry.sent_at = len(payload), self._loop.time()
            token = self._queue.publish(subject, payload, headers, lambda answer, e=entry: self._take(e, answer))  # type: ignore[misc]
            self._waiting.popleft()  # only now: what could not be published still waits
            self._sent[token] = entry
            self._sent_bytes += entry.size
            entry.token = token

    def _take(self, entry: Entry, confirmation: Confirmation) -> None:
        self._forget(entry)
        verdict = confirmation.verdict
        if verdict == "stored":
            self.refused = False
            entry.job.stream_seq = confirmation.seq
            if _is_wanted(entry):
                self._stored.append((self._loop.time(), entry.job, entry.attempt, confirmation.seq))
        elif verdict == "refused":
            why = confirmation.error.description if confirmation.error else "refused"
            self.refuse(entry.job, entry.attempt, why)
        else:
            self._pause(entry, confirmation)
        if self._waiting:
            self._send()

    def _pause(self, entry: Entry, confirmation: Confirmation) -> None:
        """The broker takes nothing just now: keep it, and try again in a while."""
        self._waiting.appendleft(entry)
        if self._queue.has_another():
            return  # which gets it at once
        if self._loop.time() >= self._paused_until:
            why = confirmation.error.description if confirmation.error else "no stream answers"
            log.warning("not published", jobs=len(self), error=why)
            self._loop.call_later(PAUSE_SECONDS, self._send)
        self.refused = True
        self._paused_until = self._loop.time() + PAUSE_SECONDS

    def _look(self) -> None:
        """Publish again what was not confirmed in time, and see to what has waited, or been stored, for long."""
        now = self._loop.time()
        self._take_back(lambda entry: now - entry.sent_at > CONFIRM_SECONDS)
        if self._waiting and now - self._waiting[0].since > FALL_BACK_SECONDS:
            self._fall_back(now)
        while self._stored and now - self._stored[0][0] > PARK_SECONDS:
            _, job, attempt, seq = self._stored.popleft()
            if (
                not job.final and job.attempt == attempt and job.stream_seq == seq
            ):  # or it was published elsewhere since
                self.park(job, attempt, seq)
        self._send()

    def _fall_back(self, now: float) -> None:
        kept: deque[Entry] = deque()
        for entry in self._waiting:
            if now - entry.since > FALL_BACK_SECONDS and _is_wanted(entry) and self.may_fall_back(entry.job):
                self.fall_back(entry.job)
            else:
                kept.append(entry)
        self._waiting = kept

    def _take_back(self, chosen: Callable[[Entry], bool]) -> None:
        """Put what is on its way back among what waits, in the order in which it was sent."""
        back = [entry for entry in self._sent.values() if chosen(entry)]
        for entry in back:
            self._forget(entry)
        self._waiting.extendleft(reversed(back))

    def _forget(self, entry: Entry) -> None:
        token = entry.token
        if self._sent.pop(token, None) is not None:
            self._queue.forget(token)
            self._sent_bytes -= entry.size


def _is_wanted(entry: Entry) -> bool:
    job = entry.job
    return not job.final and job.attempt == entry.attempt and job.path == "queued" and job.state != "retrying"
