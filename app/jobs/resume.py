"""Taking up what the last process left unfinished, in the order of acceptance."""

from __future__ import annotations

import time
from typing import Any

import structlog
from sqlalchemy import Connection

from app.contract import Outcome, failure
from app.jobs import ledger
from app.jobs.consequences import leads_to_nothing
from app.jobs.job import INTERRUPTED, Job
from app.jobs.lifecycle import Lifecycle
from app.jobs.limits import count
from app.jobs.off_stream import is_off_stream
from app.jobs.transitions import Launch

log = structlog.get_logger()


async def resume(life: Lifecycle, load_rooms: Any, names: list[str] | None = None) -> None:
    """Hold every unfinished job in memory again, and go on with it; parked ones only get their place in line.

    With names: those of these rooms, which have become ours and are in memory.
    """
    ordered = [name for name, task in life.tasks.items() if task.ordered]

    def read(connection: Connection) -> Any:
        found = ledger.unfinished(connection, names)
        texts = ledger.texts(connection, [job.n for job in found[0]])
        return found, ledger.parked_places(connection, ordered, names), texts

    await count(life, names)
    (jobs, newest), (places, parked), texts = await life.store.read(read, patient=True)
    life.newest, life.parked_jobs = max(life.newest, newest), life.parked_jobs + parked
    await load_rooms({job.room for job in jobs} | {room for room, _ in places})
    for (room, task), some in places.items():
        life.rooms[room].line(task).begin_with(some)
    for job in jobs:
        life.hold(job)
        if job.n in texts:
            life.texts.take_up(job, *texts[job.n])
    for job in jobs:
        await _go_on(life, job)
    life.delays.expect(time.time())  # where one is delayed: it looks for itself
    if jobs or parked:
        log.info("took up unfinished jobs", jobs=len(jobs), parked=parked)


async def _go_on(life: Lifecycle, job: Job) -> None:
    if job.final:
        await _wait_for_turn(life, job)
    elif job.state == "retrying":
        life.retry_in_time(job)
    elif job.path == "simple" and job.state == "running" and life.begun.had(job.n):
        words = "the process ended while this ran" + (f", {job.deaths + 1} times" if job.deaths else "")
        life.settle(job, job.attempt, failure(INTERRUPTED, words, retryable=True))
    elif job.path == "queued" and (job.published >= job.attempt or is_off_stream(job)):
        life.routing.gate.count(job)
        life.routing.open_queue()  # its result will come, or its worker is heard
        if job.published >= job.attempt:
            life.park(job, job.attempt, job.stream_seq or 0)
    else:
        life.store.add(Launch(life, job))


async def _wait_for_turn(life: Lifecycle, job: Job) -> None:
    """An outcome that was kept until those before it have ended: find out again what it leads to."""
    room = life.rooms[job.room]
    outcome = Outcome(state=job.state, result=job.result.encode() if job.result is not None else None)
    if not leads_to_nothing(life.tasks, job, outcome):
        _, life.consequences[job.n] = await life.consequences_again(job, outcome)
    line = room.lines.get(job.task)
    if line is not None:
        line.held[job.n] = job
    life.deliver(job)
