"""What waits of tasks that are paused: taken off the broker and kept, with deadlines that stand still; and let go on again.

And what a server has that stays away, of several that do not know of each other: it starts elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog

from app.controls.controls import Controls
from app.jobs import ledger
from app.jobs.job import Job
from app.jobs.lifecycle import Lifecycle
from app.jobs.transitions import Launch
from app.store.errors import StoreUnavailable

log = structlog.get_logger()

AGAIN_SECONDS = 1.0  # until the broker, or the database, is asked again; other processes have looked by then
MAX_IN_MEMORY = (
    5000  # attempts that were taken up and wait here, above which no more of those kept in the ledger are taken up
)


class Pauses:
    """Follows what is paused, one change after the other. On the loop."""

    def __init__(self, life: Lifecycle, controls: Controls) -> None:
        self._life, self._controls = life, controls
        self._turn = asyncio.Lock()
        self._taken_up: list[Job] = []  # from the ledger, and not known to have started
        controls.paused, controls.resumed, controls.stood = self.paused, self.resumed, self._move_deadlines
        life.strand = self.strand

    def begin(self) -> None:
        """Go on with what the last process left: what is paused stays off the broker, and the rest is taken up."""
        if paused := self._controls.all_paused():
            self.paused(paused)
        self.take_up()

    def paused(self, tasks: list[str]) -> None:
        """Nothing of these tasks starts any more: their attempts that no worker has yet come off the broker."""
        log.info("paused", tasks=tasks)
        self._life.spawn(self._take_back(tasks))

    def resumed(self, tasks: list[str], since: float) -> None:
        """These tasks, which were paused since then, go on."""
        log.info("resumed", tasks=tasks)
        self._move_deadlines(tasks, since, time.time())
        for task in tasks:
            self._life.routing.open(task)
        self._life.spawn(self._go_on(tasks))

    def take_up(self) -> None:
        """Go on with what is kept in the ledger alone, such as that of a process that is gone."""
        self._life.spawn(self._until_done(self._take_up))

    async def strand(self, places: tuple[int, int]) -> None:
        """A server has these places, and stays away: what it has starts elsewhere, unless a worker is heard to run it."""
        life, (before, newest) = self._life, places
        await life.store.settled()
        await life.store.change(lambda connection: ledger.hold_back(connection, [places], owner=life.owner))
        there = [job for job in life.jobs.values() if before < (job.stream_seq or -1) <= newest and not job.final]
        self._launch(job for job in there if self._is_out(job) or self._runs_unheard(job))
        self.take_up()

    async def _until_done(self, step: Callable[[], Awaitable[bool]]) -> None:
        """One step at a time, until it says that it is done; others have their turn while this one waits."""
        while True:
            try:
                async with self._turn:
                    if await step():
                        return
            except StoreUnavailable as error:
                log.warning("what is paused cannot be looked after yet", error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)

    # Off the broker

    async def _take_back(self, tasks: list[str]) -> None:
        """Twice: other processes, which hear of it up to half a second later, may have published meanwhile."""
        await self._until_done(lambda: self._take_off(tasks))
        await asyncio.sleep(AGAIN_SECONDS)
        await self._until_done(lambda: self._take_off(tasks))

    async def _take_off(self, tasks: list[str]) -> bool:
        """What is on the stream by now of these tasks comes off it, and is kept in the ledger alone; no, when it is away."""
        life, queue = self._life, self._life.routing.queued
        tasks = await self._still_paused(tasks)
        if queue is None or not tasks:
            return True
        # At once: whatever becomes of the broker and of the pause, what waited for it is at the gate.
        self._launch(job for job in queue.drop(tasks) if job.state == "accepted")
        places = await queue.newest_places()
        if not places:
            return False
        tasks = await self._still_paused(tasks)  # what is published once they go on has a place behind these
        await life.store.settled()
        await life.store.change(lambda connection: ledger.hold_back(connection, places, tasks))
        self._launch(job for job in life.jobs.values() if job.task in tasks and self._is_out(job))
        return await queue.purge(tasks, places)

    async def _still_paused(self, tasks: Iterable[str]) -> list[str]:
        await self._controls.look()
        return [task for task in tasks if self._controls.is_paused(task)]

    def _is_out(self, job: Job) -> bool:
        """Whether it is accepted, and not held at the gate."""
        waits = job.state == "accepted" and job.path == "queued" and not job.delayed
        return waits and not self._life.routing.gate.holds(job)

    # On again

    async def _go_on(self, tasks: list[str]) -> None:
        """Runs whose message came off the stream while their worker had it are given again, unless it was heard of."""
        async with self._turn:
            self._launch(job for job in self._life.jobs.values() if job.task in tasks and self._runs_unheard(job))
        await self._until_done(self._take_up)

    def _runs_unheard(self, job: Job) -> bool:
        """Whether it is said to run at a worker, and none has been heard lately that runs it."""
        queue = self._life.routing.queued
        if queue is None or job.state != "running" or job.path != "queued":
            return False
        return all(doing.job != job.id for worker in queue.workers() for doing in worker.running)

    async def _take_up(self) -> bool:
        """Not all at once: says whether there is nothing more of it."""
        life, controls = self._life, self._controls
        while self._taken_up_and_waiting() <= MAX_IN_MEMORY:
            tasks = [task for task in life.tasks if not controls.is_paused(task)]
            ids = await life.store.read(lambda connection: ledger.held_back(connection, tasks, life.owner))  # noqa: B023 - awaited
            found = [job for id in ids if (job := await life.find(id)) is not None and id in life.jobs]
            waiting = [job for job in found if job.state == "accepted" and not life.routing.gate.holds(job)]
            self._taken_up += waiting
            self._launch(waiting)
            await life.store.settled()
            if len(ids) < ledger.AT_ONCE or not found:
                return True
        return False

    def _taken_up_and_waiting(self) -> int:
        """How many of those that were taken up have not started yet; not those of paused tasks, which may wait for days."""
        is_paused = self._controls.is_paused
        self._taken_up = [
            job
            for job in self._taken_up
            if job.state == "accepted" and job.stream_seq is None and not is_paused(job.task)
        ]
        return len(self._taken_up)

    def _launch(self, jobs: Iterable[Job]) -> None:
        for job in list(jobs):
            self._life.routing.over(job)
            self._life.store.add(Launch(self._life, job))

    def _move_deadlines(self, tasks: list[str], since: float, until: float) -> None:
        for job in list(self._life.jobs.values()):
            if job.task in tasks and job.state in ("accepted", "retrying"):
                begun = max(since, job.at, job.due or 0.0)
                self._life.extend(job, max(0.0, until - begun))
