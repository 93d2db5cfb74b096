"""Jobs that must not run beside another of the same task in their room, and those that take another's place."""

from __future__ import annotations

import time
from typing import NamedTuple

from app.chat import reading
from app.contract import Create, Person
from app.jobs import ledger
from app.jobs.job import Job
from app.jobs.lifecycle import Lifecycle
from app.payload import Refused
from app.rooms import Room
from app.tasks import Task

UNCOMMITTED_SECONDS = 5.0  # after which a job that was asked for is stored, or never will be
PARKED = 1000  # jobs looked through of those that wait at the broker


class Replaced(NamedTuple):
    """The job whose place is taken, and the message it wrote."""

    job: str
    seq: int | None


class Overlap:
    """Asked before a job is accepted; what is in its way is refused for, or ended."""

    def __init__(self, life: Lifecycle) -> None:
        self._life = life

    @staticmethod
    def concerns(task: Task, what: Create) -> bool:
        """Whether there is anything to ask."""
        return task.overlap != "queue" or what.replaces is not None

    async def make_way(self, sender: Person, what: Create, task: Task, room: Room) -> Replaced | None:
        """End what the job replaces; raises Refused(conflict) with the job that runs where the task wants that."""
        replaced = await self._replaced(what, task)
        if task.overlap == "queue":
            return replaced
        for job in await self._running(room, task.name):
            if (job.sender_id, job.key) == (sender.id, what.key):
                continue  # this is a resend
            if task.overlap == "refuse":
                raise Refused(
                    "conflict", f"{task.name} runs in this room already: wait, or cancel it", "task", job=job.id
                )
            await self.end(job)
        return replaced

    def note(self, room: Room, job: Job) -> None:
        """This job is about to be accepted: until it is, nothing else knows of it."""
        if self._life.tasks[job.task].overlap != "queue":
            room.newest[job.task] = job

    async def end(self, job: Job) -> Job:
        """Cancel a job; a finished one is returned unchanged."""
        return job if job.final and job.delivered else await self._life.cancel(job)

    async def _replaced(self, what: Create, task: Task) -> Replaced | None:
        if what.replaces is None:
            return None
        job = await self._life.find(what.replaces)
        if job is None or job.room != what.room:
            raise Refused("not_found", f"there is no job {what.replaces} in room {what.room}", "replaces")
        if job.task != task.name:
            raise Refused(
                "bad_request", f"this is a job of task {job.task}: one of {task.name} is expected", "replaces"
            )
        await self.end(job)
        seq = await self._life.store.read(lambda connection: reading.seq_of_job(connection, job.room, job.id))
        return Replaced(job.id, seq)

    async def _running(self, room: Room, task: str) -> list[Job]:
        life = self._life
        found = {job.id: job for job in room.jobs.values() if job.task == task}
        newest = room.newest.get(task)
        if newest is not None and newest.at > time.time() - UNCOMMITTED_SECONDS:
            found.setdefault(newest.id, newest)
        if life.parked_jobs:
            for job in await life.store.read(lambda connection: ledger.parked_of(connection, room.name, 0, PARKED)):
                taken_up = await life.find(job.id) if job.task == task and not job.delayed else None
                if taken_up is not None:
                    found[taken_up.id] = taken_up
        return [job for job in found.values() if not (job.final or job.delayed)]
