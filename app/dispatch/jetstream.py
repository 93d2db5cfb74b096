"""The queued path: an outbox towards the broker, and results back from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import structlog

from app.concurrency import Concurrency
from app.dispatch.background import Links
from app.dispatch.outbox import Outbox
from app.dispatch.results import Results
from app.ids import rfc3339
from app.jobs import ledger
from app.jobs.job import Job
from app.queue.connection import CONFIRM_SECONDS, Queue, QueueUnavailable
from app.queue.names import DEAD_CONSUMER, RESULTS_CONSUMER
from app.queue.wire import JobMessage

if TYPE_CHECKING:
    from app.dispatch.dispatch import Dispatch

log = structlog.get_logger()

ROOM = 1000  # messages taken from a stream before earlier ones are acknowledged
REMEMBERED = 24 * 3600.0  # seconds for which cancelled jobs are told to workers who ask
WHOLE_DAY = 24 * 3600.0  # how long one attempt to connect may take: it tries by itself


class JetStream:
    """Takes attempts to the workers and their results into the ledger."""

    def __init__(self, dispatch: Dispatch, concurrency: Concurrency, queue: Queue, links: Links) -> None:
        self._dispatch, self._concurrency, self._queue, self._links = dispatch, concurrency, queue, links
        self._outbox = Outbox(dispatch, concurrency, queue, self._message)
        self._results = Results(dispatch, concurrency, queue)
        self._cancelled: set[str] = set()
        self._closing = False
        self._open = False
        self.depth: tuple[int, int] | None = None  # messages and bytes on the stream of jobs
        concurrency.spawn(self._connect)
        concurrency.spawn(self._measure_for_ever)

    def submit(self, job: Job) -> None:
        """Put the attempt into the outbox; it stays there until the broker has confirmed it."""
        self._outbox.put(job)

    def ready(self) -> bool:
        """Whether the broker is there and takes jobs."""
        return self._open and self._queue.connected and not self._outbox.refused

    def cancelled(self, job: Job) -> None:
        """Tell the workers; those who connect later ask."""
        self._cancelled.add(job.id)
        if self._queue.connected:
            self._concurrency.spawn(self._tell_cancelled, job.id)

    def waiting(self) -> int:
        """Attempts the broker has not confirmed."""
        return len(self._outbox)

    def close(self, seconds: float) -> None:
        """Publish nothing more; the ledger knows what was not confirmed, and the stream what was."""
        self._closing = True
        self._outbox.close()
        try:
            self._concurrency.await_(self._queue.close(), min(seconds + 1, 5.0))
        except TimeoutError:
            log.warning("the broker did not say goodbye")

    def _connect(self) -> None:
        """Connect in the background, however long it takes: queued jobs wait in the outbox."""
        while not self._closing:
            try:
                self._concurrency.await_(self._queue.connect(), WHOLE_DAY)
                self._subscribe()
                self._open = True
                log.info("queue connected")
                return
            except Exception as error:  # whatever it was, it is logged and tried again
                log.warning("queue not connected", error=repr(error))
                time.sleep(1.0)

    def _subscribe(self) -> None:
        since = time.time() - REMEMBERED
        self._cancelled.update(self._dispatch.store.read(lambda c: ledger.cancelled_since(c, since)))
        names = self._queue.names
        for opening in (
            self._queue.answer_cancelled(self._cancelled.__contains__),
            self._queue.pull(names.results, RESULTS_CONSUMER, ROOM, self._results.results.put),
            self._queue.pull(names.dead, DEAD_CONSUMER, ROOM, self._results.dead.put),
        ):
            self._concurrency.await_(opening, CONFIRM_SECONDS)

    def _tell_cancelled(self, id: str) -> None:
        try:
            self._concurrency.await_(self._queue.tell_cancelled(id), CONFIRM_SECONDS)
        except TimeoutError:
            log.warning("workers were not told of a cancelled job: they may run it in vain", job=id)

    def _message(self, job: Job) -> JobMessage:
        return JobMessage(
            id=job.id,
            attempt=job.attempt,
            task=job.task,
            room=job.room,
            args=msgspec.json.decode(job.args),
            deadline=rfc3339(job.deadline),
            links=self._links(job) if "links" in self._dispatch.tasks[job.task].given else None,
        )

    def _measure_for_ever(self) -> None:
        while not self._closing:
            self.depth = self._measure()
            time.sleep(1.0)

    def _measure(self) -> tuple[int, int] | None:
        if not self._queue.connected:
            return None
        try:
            return self._concurrency.await_(self._queue.waiting(), CONFIRM_SECONDS)
        except (QueueUnavailable, TimeoutError):
            return None  # the broker went away in between: no figure is better than an old one
