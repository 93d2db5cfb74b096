"""The queued path: an outbox towards the broker, and results back from it."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from app.concurrency import Concurrency
from app.dispatch.background import Links
from app.dispatch.places import LOOK_EVERY, Places
from app.ids import rfc3339
from app.jobs import ledger
from app.jobs.job import Job, JobError, Outcome
from app.jobs.outcome import settle
from app.queue.connection import CONFIRM_SECONDS, Queue, QueueFull
from app.queue.names import RESULTS_CONSUMER
from app.queue.pull import Delivery
from app.queue.wire import JobMessage, ResultMessage, Undecodable, decode
from app.store.store import StoreUnavailable

if TYPE_CHECKING:
    from app.dispatch.dispatch import Dispatch

log = structlog.get_logger()

GROUP = 128  # attempts published at once
KEEP = 1024  # attempts in the outbox whose jobs are kept in memory; of the others only their names
ROOM = 1000  # results taken from the stream before earlier ones are acknowledged
RESULTS_A_LOOK = 8  # results settled at most before the hub gets 10 ms for others
LONGEST_PAUSE = 5.0  # seconds between two tries to reach a broker that is away


class JetStream:
    """Publishes attempts until the broker confirms them, and settles the results workers send."""

    def __init__(self, dispatch: Dispatch, concurrency: Concurrency, queue: Queue, links: Links) -> None:
        self._dispatch, self._concurrency, self._queue, self._links = dispatch, concurrency, queue, links
        self._outbox = concurrency.mailbox()
        self._notes = concurrency.mailbox()
        self._results = concurrency.mailbox()
        self._places = Places(RESULTS_A_LOOK, dispatch.late)
        self._closing = False
        self.full = False
        self.depth: tuple[int, int] | None = None
        for run in (self._connect, self._publish_for_ever, self._settle_for_ever, self._measure_for_ever):
            concurrency.spawn(run)

    def submit(self, job: Job) -> None:
        """Put the attempt into the outbox; it stays there until the broker has confirmed it."""
        self._outbox.put((job.id, job.attempt, job if self._outbox.qsize() < KEEP else None))

    def waiting(self) -> int:
        """Attempts the broker has not confirmed."""
        return self._outbox.qsize()

    def connected(self) -> bool:
        """Whether the broker is there at this moment."""
        return self._queue.connected

    def close(self, seconds: float) -> None:
        """Publish nothing more; the ledger knows what was not confirmed, and the stream what was."""
        self._closing = True
        try:
            self._concurrency.await_(self._queue.close(), 5.0)
        except TimeoutError:
            log.warning("the broker did not say goodbye")

    def _connect(self) -> None:
        while not self._closing:
            try:
                self._concurrency.await_(self._queue.connect(), 3600.0)
                names = self._queue.names
                self._concurrency.await_(
                    self._queue.pull(names.results, RESULTS_CONSUMER, ROOM, self._results.put), CONFIRM_SECONDS
                )
                log.info("queue connected")
                return
            except Exception as error:  # whatever it was: queued jobs wait in the outbox, and it is tried again
                log.warning("queue not connected", error=repr(error))
                time.sleep(1.0)

    # Outbox

    def _publish_for_ever(self) -> None:
        pause = 0.0
        while not self._closing:
            group = [self._outbox.get()]
            while self._outbox.qsize() and len(group) < GROUP:
                group.append(self._outbox.get())
            failed = self._publish(group)
            for each in failed:
                self._outbox.put(each)
            pause = min(max(0.1, pause * 2), LONGEST_PAUSE) if failed else 0.0
            if pause:
                time.sleep(pause)

    def _publish(self, group: list[tuple[str, int, Job | None]]) -> list[tuple[str, int, Job | None]]:
        """Publish a group; returns those to try again."""
        if not self._queue.connected:
            return group
        try:
            jobs = self._loaded(group)
            errors = self._concurrency.await_(
                self._queue.publish_jobs(
                    [(self._message(job), self._dispatch.tasks[job.task].lane, job.trace) for job in jobs]
                ),
                CONFIRM_SECONDS * 2,
            )
        except (TimeoutError, StoreUnavailable) as error:
            log.warning("nothing published", error=str(error))
            return group
        self.full = any(isinstance(error, QueueFull) for error in errors)
        failed = {job.id: error for job, error in zip(jobs, errors, strict=True) if error is not None}
        if failed:
            log.warning("not published", jobs=len(failed), error=str(next(iter(failed.values()))))
        for job in jobs:
            if job.id not in failed:
                self._dispatch.store.write_soon(partial(ledger.published, id=job.id, attempt=job.attempt))
        return [each for each in group if each[0] in failed]

    def _loaded(self, group: list[tuple[str, int, Job | None]]) -> list[Job]:
        """The jobs of a group that are still wanted."""
        missing = [id for id, _, job in group if job is None]
        found = (
            {job.id: job for job in self._dispatch.store.read(lambda c: ledger.find_all(c, missing))} if missing else {}
        )
        jobs = [(job or found.get(id), attempt) for id, attempt, job in group]
        return [
            job
            for job, attempt in jobs
            if job is not None and not job.final and job.attempt == attempt and job.task in self._dispatch.tasks
        ]

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

    # Results

    def _settle_for_ever(self) -> None:
        taken = 0
        while True:
            delivery: Delivery = self._results.get()
            taken += 1
            if taken >= self._places.allowed():
                taken = 0
                time.sleep(LOOK_EVERY)  # chat first: results wait in the stream, where they are safe
            try:
                self._take(delivery, decode(delivery.data, ResultMessage))
            except Undecodable as error:
                log.warning("result cannot be read", subject=delivery.subject, error=str(error))
                self._soon(self._queue.bury(delivery, self._queue.names.results, str(error)))

    def _take(self, delivery: Delivery, message: ResultMessage) -> None:
        """Commit what a worker says, then acknowledge it: the other way round a crash in between would lose it."""
        if message.state == "running":
            self._note_running(message)
            self._soon(delivery.ack_soon())
            return
        error = message.error
        outcome = Outcome(
            state=message.state,
            result=message.result,
            error=JobError(error.code, error.message, error.retryable, error.retry_after) if error else None,
            ms=message.ms,
        )

        def committed(settled: Any) -> None:
            self._dispatch.carry_out(settled)
            self._soon(delivery.ack_soon())

        self._dispatch.store.write_soon(
            lambda c: settle(c, self._dispatch.tasks, message.job, message.attempt, outcome, time.time()),
            then=committed,
        )

    def _note_running(self, message: ResultMessage) -> None:
        progress = None if message.progress is None else msgspec.json.encode(message.progress).decode()
        self._dispatch.store.write_soon(
            lambda c: ledger.note_running(c, message.job, message.attempt, progress, time.time()),
            then=lambda job: self._dispatch.show(job) if job is not None else None,
        )

    def _soon(self, coroutine: Any) -> None:
        """Send without waiting; in order, in groups."""
        self._notes.put(coroutine)
        if self._notes.qsize() == 1:
            self._concurrency.spawn(self._send_notes)

    def _send_notes(self) -> None:
        while self._notes.qsize():
            group = [self._notes.get() for _ in range(min(self._notes.qsize(), GROUP))]
            try:
                self._concurrency.await_(_all(group), CONFIRM_SECONDS * 2)
            except TimeoutError:
                log.warning("acknowledgements took too long: the results come again", count=len(group))

    # Depth

    def _measure_for_ever(self) -> None:
        while not self._closing:
            self.depth = self._measure()
            time.sleep(1.0)

    def _measure(self) -> tuple[int, int] | None:
        if not self._queue.connected:
            return None
        try:
            return self._concurrency.await_(self._queue.waiting(), CONFIRM_SECONDS)
        except Exception as error:  # the broker went away in between: no figure is better than an old one
            log.debug("queue depth unknown", error=repr(error))
            return None


async def _all(coroutines: list[Any]) -> None:
    await asyncio.gather(*coroutines, return_exceptions=True)
