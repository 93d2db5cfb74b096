"""Which unfinished jobs this process holds in memory, and loading those it does not: they are parked, or over."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from app.due import Due, Entry
from app.effects import Effects, Receipt
from app.jobs import ledger
from app.jobs.announcer import Announcer
from app.jobs.consequences import Consequences
from app.jobs.job import LOST, Job
from app.metrics import Metrics
from app.rooms import Room, Rooms
from app.store.errors import StoreUnavailable
from app.store.store import Store
from app.tasks import Task

log = structlog.get_logger()


RETRY_SECONDS = 0.5  # until a job that could not be loaded is looked for again


async def _left_to_its_owner(job: Job) -> None:
    """It is none of ours."""


class Memory:
    """Memory is the truth for what is in it; the ledger is its record, and the truth for everything else."""

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        tasks: Mapping[str, Task],
        metrics: Metrics,
        loop: AbstractEventLoop,
        announcer: Announcer,
        due: Due,
        load_room: Callable[[str], Any],
    ) -> None:
        self.store, self.rooms, self.tasks, self.metrics = store, rooms, tasks, metrics
        self._loop, self._announcer, self._due, self._load_room = loop, announcer, due, load_room
        self.jobs: dict[str, Job] = {}  # not final, or final and waiting for their turn; by ID
        self.consequences: dict[int, Consequences] = {}  # of those that wait for their turn, by place
        self.parked_jobs = 0
        self._deadlines: dict[int, Entry] = {}
        self._retries: dict[int, Entry] = {}
        self._loading: dict[str, Future[Job | None]] = {}

    def expire(self, job: Job) -> None:
        """The job's deadline has come."""
        raise NotImplementedError

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def is_ordered(self, task: str) -> bool:
        """Whether answers of this task are shown in the order asked."""
        declared = self.tasks.get(task)
        return declared is not None and declared.ordered

    def is_draft(self, task: str) -> bool:
        """Whether only those who answer people see what this task does."""
        declared = self.tasks.get(task)
        return declared is not None and declared.draft

    async def find(self, id: str) -> Job | None:
        """The job, taken up from the ledger when it is unfinished, was parked and its room is ours; None when there is none."""
        known = self.jobs.get(id)
        if known is not None:
            return known
        if id not in self._loading:
            self._loading[id] = self._loop.create_task(self._load(id))  # whoever waits for it is told what fails
        return await self._loading[id]

    async def look_up(self, id: str) -> Job | None:
        """The job as it stands in the ledger, without taking it up."""
        await self.store.committed()
        return self.jobs.get(id) or await self.store.read(lambda connection: ledger.find(connection, id))

    def is_stale(self, job: Job) -> bool:
        """Whether this object is not the job any more: it was parked, and perhaps loaded again, since it was handed out."""
        return not job.final and job.attempt != LOST and self.jobs.get(job.id) is not job

    def again(self, operation: Any) -> None:
        """Do on the job what an operation wanted to do on an object that is not the job any more."""

        async def load() -> None:
            try:
                job = await self.find(operation.job.id)
            except StoreUnavailable:
                self._loop.call_later(RETRY_SECONDS, self.again, operation)
                return
            if job is not None:
                operation.job = job
                self.store.add(operation)

        self.spawn(load())

    async def _load(self, id: str) -> Job | None:
        try:
            job = await self.store.read(lambda connection: ledger.find(connection, id))
            if job is None or (job.final and job.delivered):
                return job
            room = await self._load_room(job.room)
            if not room.ours:
                return job  # its owner goes on with it
            if id not in self.jobs:
                self.parked_jobs -= job.parked
                job.parked = False  # the ledger says so with the next step
                self.hold(job)
            return self.jobs[id]
        finally:
            del self._loading[id]

    def when_loaded(
        self,
        id: str,
        then: Callable[[Job], None],
        receipt: Receipt | None = None,
        elsewhere: Callable[[Job], Coroutine[Any, Any, None]] = _left_to_its_owner,
    ) -> None:
        """Do this with the job once it is in memory; with one of another process's rooms, the other."""

        async def load() -> None:
            try:
                job = await self.find(id)
            except StoreUnavailable as error:
                log.warning("a job could not be looked up: its result comes again", job=id, error=str(error))
                return
            if job is not None and id in self.jobs:
                then(job)
                return
            if job is not None and not (job.final and job.delivered):
                await elsewhere(job)
                return
            if receipt is not None:
                self.metrics.outcome_dropped("unknown job" if job is None else "already final")
            effects = Effects()
            effects.received(receipt)
            self.store.writer.publish(effects)

        self.spawn(load())

    def hold(self, job: Job) -> None:
        """Hold an unfinished job of the ledger in memory; its room is there."""
        room = self.rooms[job.room]
        self.jobs[job.id] = job
        room.jobs[job.n] = job
        self.set_deadline(job)
        if self.is_ordered(job.task) and not job.delayed:
            line = room.line(job.task)
            line.leave(job.n)  # a parked job has its place already
            line.join(job.n)
        self._announcer.is_known(job, from_now_on=True)  # clients may have seen it

    def lose(self, room: Room) -> None:
        """The room is another process's now, which goes on with its jobs."""
        for job in list(room.jobs.values()):
            self.jobs.pop(job.id, None)
            self.consequences.pop(job.n, None)
            self.forget_deadline(job)
            self._announcer.forget(job)
            job.attempt = LOST
        room.jobs.clear()
        room.lines.clear()

    def moved(self, job: Job, before: int) -> None:
        """A job in memory was committed at another place."""
        self.rooms[job.room].jobs[job.n] = self.rooms[job.room].jobs.pop(before)
        self._deadlines[job.n] = self._deadlines.pop(before)
        self._announcer.moved(job, before)

    def leave_line(self, room: Room, job: Job) -> None:
        """Give the job's place in its line up."""
        line = room.lines.get(job.task)
        if line is not None:
            line.leave(job.n)
            if not len(line):
                del room.lines[job.task]

    async def under_way(self) -> list[tuple[str, str, int]]:
        """How many jobs are accepted and not final, by task and path; raises StoreUnavailable."""
        counted = Counter((job.task, job.path) for job in self.jobs.values() if not job.final)
        if self.parked_jobs:
            for task, path, count in await self.store.read(ledger.parked_by_path):
                counted[task, path] += count
        return [(task, path, count) for (task, path), count in counted.items()]

    def spawn(self, coroutine: Any) -> Any:
        task = self._loop.create_task(coroutine)
        task.add_done_callback(_log_failure)
        return task

    def set_deadline(self, job: Job) -> None:
        """Look at it when its deadline comes."""
        known = self._deadlines.get(job.n)
        if known is not None:
            self._due.cancel(known)
        self._deadlines[job.n] = self._due.at(job.deadline, self.expire, job)

    def forget_deadline(self, job: Job) -> None:
        for entries in (self._deadlines, self._retries):
            entry = entries.pop(job.n, None)
            if entry is not None:
                self._due.cancel(entry)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a step of a job's life failed", exc_info=task.exception())
