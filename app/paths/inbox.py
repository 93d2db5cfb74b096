"""What comes back from the queue: results of workers, and word of what died there."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog

from app.contract import Outcome, ResultMessage, failure
from app.effects import Receipt
from app.jobs.job import BROKER_LOST
from app.queue.connection import Queue
from app.queue.names import PROCESS
from app.queue.orphans import Orphan
from app.queue.pull import Delivery, Pull, marked, server_of
from app.queue.servers import Servers
from app.queue.wire import Undecodable, read_job, read_results
from app.store.errors import StoreUnavailable

log = structlog.get_logger()

ORPHAN = b"orphan"  # in place of a reply subject: what a committed receipt takes off its stream by itself
Forward = Callable[[str, Delivery], bool]  # hands a delivery to a web process; no, when there is none of this name
ADVISORY = b"$JS.EVENT.ADVISORY."
MAX_LETTER = 65_536  # characters kept of a message nobody could read
RETRY_SECONDS = 1.0  # until a dead letter that could not be kept is given again


class Inbox:
    """Hands results to the life of their jobs, and keeps what is dead; each is acknowledged once it is committed."""

    def __init__(self, loop: AbstractEventLoop, queue: Servers | Queue) -> None:
        self._loop, self._queue = loop, queue
        self.results: dict[int, Pull] = {}  # by the number of their server
        self.dead: dict[int, Pull] = {}
        self.cancelled: set[str] = set()  # jobs that workers may still meet on the stream
        self.process = ""  # this one, where there may be several
        self.forward: Forward = lambda process, delivery: False
        self._forwarded: set[bytes] = set()  # results that another process took off the stream and handed on
        self.settle: Callable[[str, int, Outcome, Receipt | None], None] = lambda id, attempt, outcome, receipt: None
        self.announced: Callable[[str, int, str, str | None], None] = lambda id, attempt, run, progress: None
        self.job_at: Callable[[int], Coroutine[Any, Any, tuple[str, int] | None]]  # place on the stream to job, attempt
        self.bury: Callable[[str, str, str, str], Coroutine[Any, Any, None]]  # ID, subject, payload, reason

    def take(self, delivery: Delivery) -> None:
        """One message of results: an object, or an array of them."""
        process = delivery.header(PROCESS) if self.process and delivery.headers else None
        if process not in (None, self.process) and self.forward(process or "", delivery):
            self._free(self.results, delivery.reply)  # it acknowledges them itself
            return
        self._take(delivery)

    def take_forwarded(self, delivery: Delivery) -> None:
        """Results of jobs in our rooms that another process was given."""
        self._forwarded.add(delivery.reply)
        self._take(delivery)

    def _take(self, delivery: Delivery) -> None:
        try:
            messages = read_results(delivery.data)
        except Undecodable as error:
            log.warning("result cannot be read", subject=delivery.subject.decode("utf-8", "replace"), error=str(error))
            self._queue.bury(delivery, self._queue.names.results, str(error))
            self._release([delivery.reply])
            return
        final = [message for message in messages if message.state != "running"]
        receipt = Receipt(delivery.reply, len(final))
        for message in messages:
            if message.state == "running":
                progress = bytes(message.progress).decode() or None
                self.announced(message.job, message.attempt, message.run, progress)
            else:
                self.settle(message.job, message.attempt, _outcome(message), receipt)
        if not final:
            self.acknowledge([delivery.reply])

    def acknowledge(self, receipts: list[bytes]) -> None:
        """Take committed results off their stream."""
        given = [reply for reply in receipts if not reply.startswith(ORPHAN)]
        self._queue.ack(given)
        self._release(given)
        for reply in receipts:
            if reply.startswith(ORPHAN):
                _, server, stream, seq = reply.decode().split(" ")
                at = self._queue.at(marked(int(server), b""))
                self._loop.create_task(at.remove(stream, int(seq)))

    async def take_orphan(self, orphan: Orphan) -> None:
        """A result, or a job, that the broker gives to nobody: settle it; it is removed once that is committed."""
        reply = b"%b %d %b %d" % (ORPHAN, orphan.server, orphan.stream.encode(), orphan.seq)
        log.warning("the broker gives this to nobody", stream=orphan.stream, seq=orphan.seq, subject=orphan.subject)
        try:
            if orphan.stream == self._queue.names.jobs:
                job = read_job(orphan.data)
                lost = failure(BROKER_LOST, "the broker kept this attempt and gave it to nobody", retryable=True)
                self.settle(job.id, job.attempt, lost, Receipt(reply, 1))
                return
            final = [message for message in read_results(orphan.data) if message.state != "running"]
        except Undecodable as error:
            payload = orphan.data.decode("utf-8", "replace")[:MAX_LETTER]
            await self.bury(f"{orphan.stream}-{orphan.seq}", orphan.subject, payload, str(error))
            final = []
        receipt = Receipt(reply, len(final))
        for message in final:
            self.settle(message.job, message.attempt, _outcome(message), receipt)
        if not final:
            self.acknowledge([reply])

    def take_dead(self, delivery: Delivery) -> None:
        """Something that nobody could read, or an advisory of the broker."""
        self._loop.create_task(self._take_dead(delivery))

    async def _take_dead(self, delivery: Delivery) -> None:
        try:
            if delivery.subject.startswith(ADVISORY):
                await self._advised(delivery)
            else:
                await self._bury(delivery, delivery.header("Spillway-Error") or "it cannot be read", delivery.data)
                self._queue.ack([delivery.reply])
        except StoreUnavailable as error:
            log.warning("dead letter not kept yet", error=str(error))
            self._queue.nak(delivery, RETRY_SECONDS)
        finally:
            self._free(self.dead, delivery.reply)

    async def _advised(self, delivery: Delivery) -> None:
        """The broker gave a message up, or somebody terminated it: its job will get no result any more."""
        try:
            advisory = msgspec.json.decode(delivery.data)
            seq, stream = int(advisory["stream_seq"]), str(advisory["stream"])
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError):
            await self._bury(delivery, "an advisory that cannot be read", delivery.data)
            self._queue.ack([delivery.reply])
            return
        terminated = b".MSG_TERMINATED." in delivery.subject
        at = self._queue.at(delivery.reply)
        found = await self.job_at(at.place(seq)) if stream == self._queue.names.jobs else None
        if found is not None:
            words = "a worker terminated it" if terminated else "given to workers too often without an answer"
            outcome = failure("terminated" if terminated else "max_deliveries", words)
            self.settle(*found, outcome, None)
        elif not terminated:  # what could not be read was kept before it was terminated
            payload = await at.data_at(stream, seq)
            await self._bury(delivery, "delivered too often without an acknowledgement", payload)
        self._queue.ack([delivery.reply])
        await at.remove(stream, seq)  # nothing dead stays in a work queue

    async def _bury(self, delivery: Delivery, why: str, data: bytes) -> None:
        subject = delivery.subject.decode("utf-8", "replace")
        log.warning("dead letter", subject=subject, error=why)
        id = f"{self._queue.names.dead}-{delivery.stream_seq}"
        await self.bury(id, subject, data.decode("utf-8", "replace")[:MAX_LETTER], why)

    def _release(self, replies: list[bytes]) -> None:
        """There is room for as many more of those that were given to us."""
        forwarded = self._forwarded.intersection(replies) if self._forwarded else ()
        self._forwarded.difference_update(forwarded)
        for reply in replies:
            if reply not in forwarded:
                self._free(self.results, reply)

    @staticmethod
    def _free(pulls: dict[int, Pull], reply: bytes) -> None:
        pull = pulls.get(server_of(reply)[0])
        if pull is not None:
            pull.free()


def _outcome(message: ResultMessage) -> Outcome:
    if message.state == "succeeded":
        return Outcome(state="succeeded", result=bytes(message.result) or b"null", ms=message.ms)
    return Outcome(state=message.state, error=message.error if message.state == "failed" else None, ms=message.ms)
