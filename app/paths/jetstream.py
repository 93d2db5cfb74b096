"""The queued path: attempts go out through the outbox, results come back, and nothing is acknowledged before its commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog
from msgspec import Raw

from app.concurrency import Concurrency
from app.contract import JobMessage, Outcome, WorkerDoing
from app.effects import Receipt
from app.ids import rfc3339, traceparent
from app.jobs.job import Job
from app.loops import Loops
from app.paths.deltas import DeltaReader
from app.paths.heard import Heard
from app.paths.inbox import Inbox
from app.paths.outbox import Outbox
from app.paths.stranded import LOOK_SECONDS as STRANDED_LOOK_SECONDS
from app.paths.stranded import Stranded
from app.queue.confirmation import CONFIRM_SECONDS
from app.queue.connection import Queue
from app.queue.dialling import QueueUnavailable
from app.queue.names import DEAD_CONSUMER, PROCESS
from app.queue.pull import Delivery
from app.queue.servers import Servers
from app.settings import Settings
from app.tasks import Task

log = structlog.get_logger()

RESULTS_IN_FLIGHT = 1000  # messages taken from a stream before earlier ones are acknowledged
Ask = Callable[[str, str, bytes], Coroutine[Any, Any, bytes]]
Places = list[tuple[int, int]]  # before the first, and the newest
ORPHANS_SECONDS = 10.0  # between two looks for what the broker keeps and gives to nobody
HEARD_SECONDS = (
    5.0  # by then every process has heard that a task is paused: what it published before came off the stream
)
DEPTH_SECONDS = 1.0  # between two looks at how much the stream of jobs holds


def open_queue(
    settings: Settings,
    concurrency: Concurrency,
    tasks: Mapping[str, Task],
    links: Callable[[Job], dict[str, str]],
    life: Owner,
    loops: Loops,
) -> JetStream:
    """The runner of the queued path, connecting in the background, for this life of jobs."""
    loop = concurrency.loop
    lanes = sorted({task.lane for task in tasks.values()})
    queue = Servers(settings, lanes, log.info, concurrency.tls(), loops)
    inbox = Inbox(loop, queue)
    inbox.settle, inbox.announced = life.settle_by_id, life.announced
    inbox.job_at, inbox.bury = life.job_at, life.bury
    deltas = DeltaReader(loop, queue, inbox.cancelled)
    deltas.wrote, life.texts.ask = life.wrote, deltas.ask
    runner = JetStream(
        loops, queue, tasks, links, life.is_over, life.cancelled_lately, inbox, deltas, settings.stranded_seconds
    )
    runner.texts_under_way = life.texts.under_way
    outbox = runner.outbox
    outbox.park, outbox.fall_back, outbox.may_fall_back = life.park, life.fall_back, life.routing.may_fall_back
    outbox.refuse, runner.pause_of = life.refused, life.controls.pause_of
    return runner


class Owner(Protocol):
    """What the queued path tells and asks the life of its jobs."""

    routing: Any
    texts: Any
    controls: Any

    def settle_by_id(self, id: str, attempt: int, outcome: Outcome, receipt: Receipt | None) -> None: ...
    def announced(self, id: str, attempt: int, run: str, progress: str | None) -> None: ...
    def park(self, job: Job, attempt: int, stream_seq: int) -> None: ...
    def fall_back(self, job: Job) -> None: ...
    def refused(self, job: Job, attempt: int, why: str) -> None: ...
    def wrote(self, id: str, attempt: int, run: str, offset: int, piece: str) -> None: ...
    def is_over(self, id: str, said: bytes) -> bool | asyncio.Future[bool]: ...
    async def cancelled_lately(self) -> list[str]: ...
    async def job_at(self, stream_seq: int) -> tuple[str, int] | None: ...
    async def bury(self, id: str, subject: str, payload: str, why: str) -> None: ...


class JetStream:
    """The runner of the queued path, and its connection."""

    def __init__(
        self,
        loops: Loops,
        queue: Servers,
        tasks: Mapping[str, Task],
        links: Callable[[Job], dict[str, str]],
        is_over: Callable[[str, bytes], bool | asyncio.Future[bool]],
        cancelled_lately: Callable[[], Any],
        inbox: Inbox,
        deltas: DeltaReader,
        stranded_seconds: float,
    ) -> None:
        """`is_over` answers workers who ask whether a job is cancelled or over; `cancelled_lately` reads which are."""
        self._queue, self._tasks, self._links = queue, tasks, links
        self._is_over, self._cancelled_lately = is_over, cancelled_lately
        self.outbox = Outbox(loops, queue, self._message)
        self.inbox, self._deltas = inbox, deltas
        self.texts_under_way: Callable[[], list[tuple[str, int, int]]] = list  # job, attempt, and from which offset on
        self._open = False  # of all that are there, at least one was connected
        self.pause_of: Callable[[str], float] = lambda task: 0.0  # when a task was paused last
        self.came: Callable[[], None] = lambda: None  # a server is there whose streams did not answer before
        self._well: set[int] = set()
        self.depth: tuple[int, int] | None = None  # messages and bytes on the stream of jobs
        self.reconnects = 0
        self.stranded = Stranded(queue, loops.loop, stranded_seconds)
        self._subscribed: set[tuple[str, int]] = set()  # what is heard of which server
        self.heard = Heard(loops.loop)
        self.ask: Ask | None = None  # makes the answer to a request of room, task and body
        self._stops = [
            *(loops.keep(_loop_name("queue", each), partial(self._connect, each)) for each in queue.all),
            loops.every(DEPTH_SECONDS, "depth", self._measure),
            loops.every(ORPHANS_SECONDS, "orphans", self._look_for_orphans),
            loops.every(STRANDED_LOOK_SECONDS, "stranded", self.stranded.look),
        ]

    def reserve(self, task: str) -> bool:
        """Slots are the workers' own."""
        return False

    def release(self, task: str) -> None:
        """There is nothing to give back."""

    def submit(self, job: Job) -> None:
        """Publish the attempt; it stays in the outbox until the broker has confirmed it."""
        self.outbox.put(job)

    def backlog(self) -> int:
        """Attempts the broker has not confirmed."""
        return len(self.outbox)

    def ready(self) -> bool:
        """Whether the broker is there and takes jobs."""
        return self._is_there and not self.outbox.refused

    def drop(self, tasks: Iterable[str]) -> list[Job]:
        """Publish nothing of these tasks that waits; returns what waited."""
        return self.outbox.drop(tasks)

    async def newest_places(self) -> Places:
        """Of each server that answers the places on its stream of jobs; empty while none does."""
        try:
            return await self._queue.newest_places() if self._is_there else []
        except QueueUnavailable:
            return []

    async def purge(self, tasks: Iterable[str], places: Places) -> bool:
        """Take all jobs of these tasks at these places off the streams; says whether the servers did."""
        try:
            for task in tasks:
                await self._queue.purge(self._queue.names.job(self._tasks[task].lane, task), places)
                # Only now: what a worker lets go of before would be given to it again.
                self._queue.tell_all(lambda queue, task=task: queue.tell_paused(task))  # type: ignore[misc]
        except QueueUnavailable as error:
            log.warning("jobs of a paused task cannot be taken off the stream yet", error=str(error))
            return False
        return True

    def workers(self) -> list[WorkerDoing]:
        """Workers that were heard lately, and what they do."""
        return self.heard.lately()

    def cancelled(self, job: Job) -> None:
        """Tell the workers; those who connect later ask."""
        self.inbox.cancelled.add(job.id)
        self._queue.tell_all(lambda queue: queue.tell_cancelled(job.id))

    def acknowledge(self, receipts: list[bytes]) -> None:
        """Take committed results off their stream."""
        self.inbox.acknowledge(receipts)

    def take(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        """Results that another web process was given."""
        if self._open:
            self.inbox.take_forwarded(Delivery(subject, reply, headers, data))

    async def call_back(self, subject: str, headers: dict[str, str], body: bytes) -> str | None:
        """Publish how a job ended; returns why it was not taken, or None."""
        if not self._is_there:
            return "the broker is away"
        return await self._queue.call_back(subject, body, headers)

    async def close(self, seconds: float) -> None:
        """Publish nothing more; the ledger knows what was not confirmed, and the stream what was."""
        self.outbox.close()
        for stop in self._stops:
            stop()
        try:
            await asyncio.wait_for(self._queue.close(), min(seconds + 1, CONFIRM_SECONDS))
        except TimeoutError:
            log.warning("the broker did not say goodbye")

    @property
    def _is_there(self) -> bool:
        return self._open and self._queue.connected

    async def _connect(self, queue: Queue) -> None:
        """Connect in the background, however long it takes: queued jobs wait in the outbox. May be tried again."""
        queue.on_reconnect, queue.on_cut = partial(self._reconnected, queue), partial(self._cut, queue)
        await queue.connect()
        await self._subscribe(queue)
        if not self._open:
            self._open = True
            self.outbox.open()
        self._ask_for_texts()
        log.info("queue connected", **self._which(queue))
        self._note_well()

    def _reconnected(self, queue: Queue) -> None:
        self.reconnects += 1
        self._note_well()
        self.outbox.publish_again(self._among(queue))
        self._ask_for_texts()

    def _cut(self, queue: Queue) -> None:
        """What one of several did not confirm goes to another at once."""
        self._well.discard(queue.number)
        if self._queue.has_another():
            self.outbox.publish_again(self._among(queue))

    def _among(self, queue: Queue) -> int | None:
        return queue.number if len(self._queue.all) > 1 else None

    def _which(self, queue: Queue) -> dict[str, int]:
        return {"server": queue.number} if len(self._queue.all) > 1 else {}

    def _ask_for_texts(self) -> None:
        """What was written while nobody listened here."""
        for job, attempt, offset in self.texts_under_way():
            self._deltas.ask(job, attempt, offset)

    async def _subscribe(self, queue: Queue) -> None:
        """Each step once, also where a later one failed before: a second subscription would answer twice."""
        names, inbox = self._queue.names, self.inbox
        inbox.cancelled.update(await self._cancelled_lately())
        await self._once("answering", queue, lambda: queue.answer_workers(self._over))
        await self._once("workers", queue, lambda: queue.hear_workers(self.heard.take))
        await self._once("texts", queue, lambda: queue.hear_texts(self._deltas.take))
        if self.ask is not None:
            ask = self.ask
            await self._once("requests", queue, lambda: queue.answer_requests(ask))
        if queue.number not in inbox.results:
            inbox.results[queue.number] = await queue.pull(
                names.results, names.results_consumer, RESULTS_IN_FLIGHT, inbox.take
            )
        if queue.number not in inbox.dead:
            inbox.dead[queue.number] = await queue.pull(names.dead, DEAD_CONSUMER, RESULTS_IN_FLIGHT, inbox.take_dead)

    async def _once(self, what: str, queue: Queue, subscribe: Callable[[], Awaitable[None]]) -> None:
        if (what, queue.number) not in self._subscribed:
            await subscribe()
            self._subscribed.add((what, queue.number))

    def _over(self, id: str, said: bytes, process: str) -> bool | asyncio.Future[bool] | None:
        """What a worker is told that asks about a job; None where another process answers, whose job it is."""
        inbox = self.inbox
        over = id in inbox.cancelled or self._is_over(id, said)
        return over if over or not inbox.process or process == inbox.process else None

    def _message(self, job: Job) -> tuple[str, bytes, bytes]:
        """Subject, payload and headers of an attempt."""
        task = self._tasks.get(job.task)
        message = JobMessage(
            id=job.id,
            attempt=job.attempt,
            task=job.task,
            room=job.room,
            args=Raw(job.args.encode()),
            deadline=rfc3339(job.deadline),
            links=self._links(job) if task is not None and "links" in task.given else None,
        )
        headers = f"Nats-Msg-Id: {message_id(job, self.pause_of(job.task))}\r\ntraceparent: {traceparent(job.id)}\r\n"
        if self.inbox.process:
            headers += f"{PROCESS}: {self.inbox.process}\r\n"  # so that its result comes here
        subject = self._queue.names.job(task.lane if task else "ml", job.task)
        return subject, msgspec.json.encode(message), headers.encode()

    async def _look_for_orphans(self) -> None:
        if not self._is_there:
            return
        try:
            orphans = await self._queue.orphans()
        except QueueUnavailable:
            return  # it went away in between: they are there at the next look, too
        for orphan in orphans:
            await self.inbox.take_orphan(orphan)

    async def _measure(self) -> None:
        try:
            self.depth = await self._queue.depth() if self._is_there else None
        except QueueUnavailable:
            self.depth = None  # the broker went away in between: no figure is better than an old one
        self._note_well()

    def _note_well(self) -> None:
        before, self._well = self._well, self._queue.well
        if self._well - before:
            self.came()


def message_id(job: Job, paused: float) -> str:
    """The Nats-Msg-Id of an attempt whose task was paused last at that time, or never (0).

    What came off the stream for a pause must be taken again, though the broker remembers its first number for a while.
    """
    later = paused and job.at < paused + HEARD_SECONDS
    return f"{job.id}.{job.attempt}" + (f".{paused * 1000:.0f}" if later else "")


def _loop_name(name: str, queue: Queue) -> str:
    return f"{name} {queue.number}" if queue.number else name
