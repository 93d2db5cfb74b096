"""What the broker does not have any more: it was taken off for a pause, or its server stays away. The ledger keeps it alone.

What waits is given out again, once its task may start. What runs goes on, and off_stream.py looks after it.
"""

from __future__ import annotations

import asyncio
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
Places = list[tuple[int, int]]  # of the broker's streams: before the first, and the newest


class HeldBack:
    """Notes what is kept in the ledger alone, and takes it up again. On the loop."""

    def __init__(self, life: Lifecycle, controls: Controls) -> None:
        self._life, self._controls = life, controls
        self._turn = asyncio.Lock()
        self._taken_up: list[Job] = []  # from the ledger, and not known to have started

    async def note(self, places: Places, tasks: list[str] | None = None) -> None:
        """The broker has nothing at these places any more, of these tasks or of all; what waits is given out again."""
        life = self._life
        await life.store.settled()
        chosen = [job for job in life.jobs.values() if tasks is None or job.task in tasks]
        at_workers = [job for job in chosen if job.state == "running" and job.path == "queued"]
        gone = [
            job for job in at_workers if job.stream_seq is None or _is_at(job, places)
        ]  # since the last try, or now
        for job in gone:
            job.published, job.stream_seq = 0, None
        owner, running = life.owner if tasks is None else None, [job.n for job in gone]
        await life.store.change(lambda connection: ledger.hold_back(connection, places, tasks, owner, running))
        self.launch(job for job in chosen if self._is_lost(job, places))

    async def strand(self, places: tuple[int, int]) -> None:
        """A server has these places, and stays away: what waits there starts elsewhere."""
        async with self._turn:
            await self.note([places])
        self.take_up()

    def take_up(self) -> None:
        """Go on with what is kept in the ledger alone, such as that of a process that is gone."""
        self._life.spawn(self.until_done(self._take_up))

    async def until_done(self, step: Callable[[], Awaitable[bool]]) -> None:
        """One step at a time, until it says that it is done; others have their turn while this one waits."""
        while True:
            try:
                async with self._turn:
                    if await step():
                        return
            except StoreUnavailable as error:
                log.warning("what is kept in the ledger alone cannot be looked after yet", error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)

    def launch(self, jobs: Iterable[Job]) -> None:
        """Give these out again."""
        for job in list(jobs):
            self._life.routing.over(job)
            self._life.store.add(Launch(self._life, job))

    def _is_lost(self, job: Job, places: Places) -> bool:
        """Whether it waited there."""
        waits = job.state == "accepted" and job.path == "queued" and not job.delayed
        return waits and _is_at(job, places) and not self._life.routing.gate.holds(job)

    async def _take_up(self) -> bool:
        """Not all at once: says whether there is nothing more of it."""
        life, controls = self._life, self._controls
        while self._taken_up_and_waiting() <= MAX_IN_MEMORY:
            await life.store.settled()  # what was launched just now is not kept any more
            tasks = [task for task in life.tasks if not controls.is_paused(task)]
            ids = await life.store.read(lambda connection: ledger.held_back(connection, tasks, life.owner))  # noqa: B023 - awaited
            found = [job for id in ids if (job := await life.find(id)) is not None and id in life.jobs]
            waiting = [job for job in found if job.state == "accepted" and not life.routing.gate.holds(job)]
            self._taken_up += waiting
            self.launch(waiting)
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


def _is_at(job: Job, places: Places) -> bool:
    return job.stream_seq is not None and any(before < job.stream_seq <= newest for before, newest in places)
