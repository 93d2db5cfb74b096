"""What comes back from the queue: results of workers, and word of what died there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from app.concurrency import Concurrency
from app.dispatch.places import LOOK_EVERY, Places
from app.jobs import dead_letters, ledger
from app.jobs.job import Job, JobError, Outcome
from app.jobs.outcome import Settled, settle
from app.queue.connection import CONFIRM_SECONDS, Queue
from app.queue.pull import Delivery
from app.queue.wire import ResultMessage, Undecodable, decode
from app.store.store import StoreUnavailable

if TYPE_CHECKING:
    from app.dispatch.dispatch import Dispatch

log = structlog.get_logger()

A_LOOK = 8  # results settled at most before the hub gets 10 ms for others
GROUP = 128  # acknowledgements sent at once
ADVISORY = "$JS.EVENT.ADVISORY."
MOST_PAYLOAD = 65_536  # characters kept of a message nobody could read


class Results:
    """Commits what comes in, and only then acknowledges it: the other way round a crash in between would lose it."""

    def __init__(self, dispatch: Dispatch, concurrency: Concurrency, queue: Queue) -> None:
        self._dispatch, self._concurrency, self._queue = dispatch, concurrency, queue
        self.results = concurrency.mailbox()
        self.dead = concurrency.mailbox()
        self._notes = concurrency.mailbox()
        self._places = Places(A_LOOK, dispatch.late)
        concurrency.spawn(self._settle_for_ever)
        concurrency.spawn(self._bury_for_ever)

    def _settle_for_ever(self) -> None:
        taken = 0
        while True:
            delivery: Delivery = self.results.get()
            try:
                self._take(delivery, decode(delivery.data, ResultMessage))
            except Undecodable as error:
                log.warning("result cannot be read", subject=delivery.subject, error=str(error))
                self._soon(self._queue.bury(delivery, self._queue.names.results, str(error)))
            taken += 1
            if taken >= self._places.allowed():
                taken = 0
                time.sleep(LOOK_EVERY)  # chat first: results wait in the stream, where they are safe

    def _take(self, delivery: Delivery, message: ResultMessage) -> None:
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
        self._settle(delivery, message.job, message.attempt, outcome)

    def _settle(self, delivery: Delivery, job: str, attempt: int, outcome: Outcome) -> None:
        def committed(settled: Settled) -> None:
            self._dispatch.carry_out(settled)
            self._soon(delivery.ack_soon())

        def failed(error: Exception) -> None:
            log.error("result not committed: it comes again", job=job, error=str(error))
            self._soon(delivery.nak(1.0))

        self._dispatch.store.write_soon(
            lambda c: settle(c, self._dispatch.tasks, job, attempt, outcome, time.time()), then=committed, failed=failed
        )

    def _note_running(self, message: ResultMessage) -> None:
        progress = None if message.progress is None else msgspec.json.encode(message.progress).decode()
        self._dispatch.store.write_soon(
            lambda c: ledger.note_running(c, message.job, message.attempt, progress, time.time()),
            then=lambda job: self._dispatch.show(job) if job is not None else None,
        )

    # The dead

    def _bury_for_ever(self) -> None:
        while True:
            delivery: Delivery = self.dead.get()
            try:
                if delivery.subject.startswith(ADVISORY):
                    self._advised(delivery)
                else:
                    self._bury(delivery, delivery.headers.get("Spillway-Error", "it cannot be read"))
            except (StoreUnavailable, TimeoutError) as error:
                log.warning("dead letter not kept yet", error=str(error))
                self._soon(delivery.nak(1.0))

    def _advised(self, delivery: Delivery) -> None:
        """The broker gave a message up, or somebody terminated it: its job will get no result any more."""
        try:
            advisory = json.loads(delivery.data)
            seq, stream = int(advisory["stream_seq"]), str(advisory["stream"])
        except (ValueError, KeyError, TypeError):
            self._bury(delivery, "an advisory that cannot be read")
            return
        terminated = ".MSG_TERMINATED." in delivery.subject
        job = None
        if stream == self._queue.names.jobs:
            job = self._dispatch.store.read(lambda connection: ledger.at_stream_seq(connection, seq))
        if job is not None:
            self._give_up(delivery, job, terminated)
        elif terminated:
            self._soon(delivery.ack_soon())  # what could not be read was kept before it was terminated
        else:
            payload = self._concurrency.await_(self._queue.data_at(stream, seq), CONFIRM_SECONDS)
            self._bury(delivery, "delivered too often without an acknowledgement", payload)
        self._soon(self._queue.remove(stream, seq))  # nothing dead stays in a work queue

    def _give_up(self, delivery: Delivery, job: Job, terminated: bool) -> None:
        words = "a worker terminated it" if terminated else "given to workers too often without an answer"
        error = JobError("terminated" if terminated else "max_deliveries", words)
        self._settle(delivery, job.id, job.attempt, Outcome(state="failed", error=error))

    def _bury(self, delivery: Delivery, why: str, data: bytes | None = None) -> None:
        payload = (data or delivery.data).decode("utf-8", "replace")[:MOST_PAYLOAD]
        id = f"{self._queue.names.dead}-{delivery.seq}"
        log.warning("dead letter", subject=delivery.subject, error=why)
        self._dispatch.store.write_soon(
            lambda c: dead_letters.bury(c, id, delivery.subject, payload, why, time.time()),
            then=lambda _: self._soon(delivery.ack_soon()),
        )

    # Acknowledging

    def _soon(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Send without waiting; in groups."""
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


async def _all(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*coroutines, return_exceptions=True)
