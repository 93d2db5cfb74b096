"""The steps of a job's life as operations: what each decides, stores, takes back, and what follows from it.

Nothing here decides that a step is due: app/jobs/lifecycle.py does. `prepare` runs with everything before it settled, so
the first outcome of an attempt wins simply by being first.
"""

from __future__ import annotations

import time
from asyncio import Future
from copy import copy
from typing import Any

import msgspec

from app.contract import JobError
from app.effects import Effects, Reply
from app.ids import new_position
from app.jobs import ledger, runs
from app.jobs.job import Job, view, with_error
from app.jobs.life import Life
from app.payload import Refused
from app.store.operation import Look, Operation, Rows, add_row
from app.tasks import Task

ANSWER_SECONDS = 4.5  # within which whoever asks is told that it is stored, or that it will not be


class Accept(Operation):
    """A new job: put into the ledger, on the path its flag says, running at once where there is a slot.

    One that is delayed is parked instead, and gets slot and place when it is due (`Release`).
    """

    def __init__(self, life: Life, job: Job, reply: Reply | None = None, upload: str | None = None) -> None:
        """`upload` is the one among its arguments, where there is one: from now on it is kept."""
        self.life, self.job, self.reply, self.upload = life, job, reply, upload
        self.room = life.rooms[job.room]
        self.reserved = False
        if reply is not None:
            self.urgent = True
            self.expires = life.now() + ANSWER_SECONDS

    def prepare(self, rows: Rows) -> None:
        """Choose the path, take a slot if there is one, and take the job's place in its line."""
        job, life = self.job, self.life
        job.n = life.newest = new_position(life.newest)
        if job.state == "accepted":
            job.path = life.routing.choose(job.task, job.room)
            job.parked = job.delayed
            self.reserved = not job.delayed and life.routing.reserve(job)
            if self.reserved:
                job.state, job.started = "running", job.at
        if job.message is None or (job.final and job.message != self.room.next_seq):
            job.changed = self.room.next_seq
        if self.upload is not None:
            add_row(rows, "use", (self.upload,))
        if life.durable:
            ledger.insert(rows, job)
            if not (job.final or job.delayed) and life.is_ordered(job.task):
                self.room.line(job.task).join(job.n)

    def undo(self) -> None:
        """Give slot and place back."""
        if self.reserved:
            self.life.routing.release(self.job)
            self.reserved, self.job.state, self.job.started = False, "accepted", None
        if self.life.durable and self.job.task in self.room.lines:
            self.life.leave_line(self.room, self.job)

    def done(self, effects: Effects) -> None:
        """Acknowledge it, and start it."""
        self.life.accepted(self.room, self.job)
        if self.reply is not None:
            effects.reply(self.reply, {"job": view(self.job, "accepted")})
        if self.job.final or self.job.delayed:
            effects.show_job(self.room, self.job)
        else:
            effects.start(self.job)

    def failed(self, effects: Effects, error: Exception) -> None:
        """Say that it is not stored."""
        if self.reply is not None:
            effects.refuse(self.reply, NOT_STORED)

    def by_key(self) -> Look:
        """The job under the asker's key."""
        return ledger.FIND_BY_KEY, (self.job.room, self.job.sender_id, self.job.key)

    def conflict(self, effects: Effects, row: Any) -> None:
        """A resend: the job it asked for is there already, unless the key was used for another."""
        if self.reply is None or row is None:
            self.failed(effects, LookupError("a key in use, and no job that has it"))
            return
        known = self.life.jobs.get(row[1]) or ledger.from_values(row)
        if known.asked != self.job.asked:
            effects.refuse(self.reply, Refused("conflict", "this key was used for another job: use a new one", "key"))
        else:
            effects.reply(self.reply, {"job": view(known), "duplicate": True})


class Start(Operation):
    """A job that waited has a slot: the ledger says that it runs before it does, so that a kill is counted."""

    def __init__(self, life: Life, job: Job, attempt: int) -> None:
        self.life, self.job, self.attempt = life, job, attempt
        self.wanted = False

    def prepare(self, rows: Rows) -> None:
        """Unless it was cancelled or superseded while it waited."""
        self.wanted = self.job.state == "accepted" and self.job.attempt == self.attempt
        if self.wanted:
            self.job.state, self.job.started = "running", time.time()
            if self.life.durable:
                ledger.start(rows, self.job)

    def undo(self) -> None:
        """It waits again."""
        if self.wanted:
            self.job.state, self.job.started = "accepted", None

    def done(self, effects: Effects) -> None:
        """Run it, or give the slot to somebody else: it may have ended in this very transaction."""
        if self.wanted and not self.job.final and self.job.attempt == self.attempt:
            self.life.show_progress(effects, self.job)
            effects.start(self.job)
        else:
            self.life.routing.release(self.job)


class Requeue(Operation):
    """A stopping process did not finish this attempt: the next start gets it, and it is not counted."""

    def __init__(self, life: Life, job: Job) -> None:
        self.life, self.job = life, job

    def prepare(self, rows: Rows) -> None:
        """Unless it has ended after all. One whose text people have seen begins anew under a number of its own."""
        job = self.job
        if job.state != "running" or not self.life.durable:
            return
        job.state, job.started = "accepted", None
        if self.life.texts.find(job) is None:
            ledger.start(rows, job)
        else:
            job.attempt, job.attempts = job.attempt + 1, job.attempts + 1
            ledger.update(rows, job)
            ledger.forget_pieces(rows, job, self.life.texts.oldest(job))


class Launch(Operation):
    """Another attempt, or one taken up after a restart: the flag is asked again, and the ledger knows the path first."""

    def __init__(self, life: Life, job: Job, path: str | None = None) -> None:
        self.life, self.job, self.attempt, self.path = life, job, job.attempt, path
        self.before: Job | None = None
        self.reserved = self.stale = False

    def prepare(self, rows: Rows) -> None:
        """Unless it was cancelled, or moved on, meanwhile."""
        job = self.job
        self.before, self.reserved = None, False
        self.stale = self.life.is_stale(job)
        if self.stale or job.final or job.attempt != self.attempt:
            return
        self.before = copy(job)
        self._take_place(rows)
        job.path = self.path or self.life.routing.choose(job.task, job.room)
        self.reserved = self.life.routing.reserve(job)
        job.state, job.due, job.published, job.parked, job.stream_seq = "accepted", None, 0, False, None
        runs.expect_another(job)
        if self.reserved:
            job.state, job.started = "running", time.time()
        ledger.update(rows, job)

    def undo(self) -> None:
        """As it was."""
        if self.reserved:
            self.life.routing.release(self.job)
        if self.before is not None:
            restore(self.job, self.before)

    def done(self, effects: Effects) -> None:
        """Start it."""
        if self.stale:
            self.life.again(self)
        if self.before is None:
            return
        if not self.job.final and self.job.attempt == self.attempt:
            self.life.show_progress(effects, self.job)
            effects.start(self.job)
        elif self.reserved:  # it ended in this very transaction
            self.life.routing.release(self.job)

    def _take_place(self, rows: Rows) -> None:
        """It has one."""


class Release(Launch):
    """A delayed job is due: its place in the order, and all that is counted in time, begin now."""

    def prepare(self, rows: Rows) -> None:
        """Unless it was cancelled, or is released already."""
        if self.job.delayed:
            super().prepare(rows)
        else:
            self.before, self.reserved, self.stale = None, False, False

    def _take_place(self, rows: Rows) -> None:
        job, before = self.job, self.job.n
        job.n, job.at = new_position(self.life.newest), time.time()
        self.life.newest = job.n
        ledger.move(rows, before, job)
        if self.life.is_ordered(job.task):
            self.life.rooms[job.room].line(job.task).join(job.n)

    def undo(self) -> None:
        """It waits again."""
        if self.before is not None and self.life.is_ordered(self.job.task):
            self.life.leave_line(self.life.rooms[self.job.room], self.job)
        super().undo()

    def done(self, effects: Effects) -> None:
        """Start it."""
        self.life.releasing.discard(self.job.id)
        if self.before is not None:
            self.life.moved(self.job, self.before.n)
        super().done(effects)


class Note(Operation):
    """A worker says that a run goes on. One that nobody has heard of is the death of the one before it (runs.py)."""

    def __init__(self, life: Life, job: Job, attempt: int, run: str, progress: str | None) -> None:
        self.life, self.job, self.attempt, self.run, self.progress = life, job, attempt, run, progress
        self.before: Job | None = None
        self.stale = False

    def prepare(self, rows: Rows) -> None:
        """Unless it is no news."""
        job = self.job
        self.before = None
        known = job.state == "running" and runs.is_known(job, self.run) and self.progress is None
        self.stale = self.life.is_stale(job)
        if self.stale or job.final or job.attempt != self.attempt or known:
            return
        self.before = copy(job)
        job.deaths += runs.is_a_death(job, self.run)
        runs.note(job, self.run)
        job.progress, job.parked = self.progress or job.progress, False
        if job.state != "running":
            job.state, job.started, job.due = "running", time.time(), None
        ledger.update(rows, job)

    def undo(self) -> None:
        """As it was."""
        if self.before is not None:
            restore(self.job, self.before)

    def done(self, effects: Effects) -> None:
        """Show it, and end what kills its workers."""
        if self.stale:
            self.life.again(self)
        if self.before is None:
            return
        self.life.routing.begun(self.job)
        self.life.show_progress(effects, self.job)
        if self.job.deaths > self.before.deaths:
            self.life.died(self.job)


class Park(Operation):
    """The broker has had this attempt for a while: from here on the ledger alone remembers it."""

    def __init__(self, life: Life, job: Job, attempt: int, stream_seq: int) -> None:
        self.life, self.job, self.attempt, self.stream_seq = life, job, attempt, stream_seq
        self.before: Job | None = None

    def prepare(self, rows: Rows) -> None:
        """Unless it has moved on; one that runs stays in memory, for its end is near."""
        job = self.job
        self.before = None
        moved_on = job.final or job.attempt != self.attempt or job.path != "queued" or job.state == "retrying"
        if moved_on or job.parked or self.life.is_stale(job):
            return
        self.before = copy(job)
        job.published, job.stream_seq, job.parked = job.attempt, self.stream_seq, job.state == "accepted"
        ledger.park(rows, job)

    def undo(self) -> None:
        """As it was."""
        if self.before is not None:
            restore(self.job, self.before)

    def done(self, effects: Effects) -> None:
        """Forget it, unless something has happened to it in the same transaction."""
        if self.before is not None and self.job.parked:
            self.life.parked(self.job)


class Replay(Operation):
    """A dead letter gets its attempts once more, from the next number on, and a new deadline."""

    def __init__(self, life: Life, job: Job, task: Task, waiter: Future[Any]) -> None:
        self.life, self.job, self.task, self.waiter = life, job, task, waiter
        self.before: Job | None = None

    def prepare(self, rows: Rows) -> None:
        """Unless somebody else did, or dropped it, meanwhile."""
        job, now = self.job, time.time()
        self.before = None
        if not job.dead or job.id in self.life.jobs:
            return
        ledger.must_be_dead(rows, job)
        self.before = copy(job)
        job.errors = with_error(job, msgspec.json.decode(job.error or '{"code":"","message":""}', type=JobError))
        job.state, job.attempt, job.attempts = "accepted", job.attempt + 1, job.attempt + self.task.attempts
        job.deadline, job.deaths, job.run = now + self.task.deadline, 0, None
        job.dead = job.delivered = False
        job.error = job.result = job.finished = job.started = job.due = None
        ledger.update(rows, job)
        self.life.jobs[job.id] = job  # so that a mark made in the same group leaves it above
        if job.n < self.life.marked:
            ledger.mark_unfinished(rows, job.n)
            self.life.marked = job.n

    def undo(self) -> None:
        """It is a dead letter still."""
        if self.before is not None:
            restore(self.job, self.before)
            del self.life.jobs[self.job.id]

    def done(self, effects: Effects) -> None:
        """Show it, and have it run."""
        if self.before is not None:
            self.life.replayed(self.job)
            effects.show_job(self.life.rooms[self.job.room], self.job)
        effects.answer(self.waiter, copy(self.job) if self.before is not None else None)

    def conflict(self, effects: Effects, row: Any) -> None:
        """The ledger does not have it as a dead letter any more."""
        effects.answer(self.waiter, None)


class Mark(Operation):
    """Where the next start begins to look for unfinished jobs."""

    def __init__(self, life: Life) -> None:
        self.life, self.n = life, 0

    def prepare(self, rows: Rows) -> None:
        """The oldest unfinished job in memory, or one accepted in this very group."""
        self.n = min(
            min((job.n for job in self.life.jobs.values() if not job.delayed), default=self.life.newest + 1),
            min((row[0] for row in rows.get("job", ())), default=self.life.newest + 1),
        )
        ledger.mark_unfinished(rows, self.n)

    def done(self, effects: Effects) -> None:
        """Remember it."""
        self.life.marked = self.n


NOT_STORED = Refused("busy", "it could not be stored just now: try again", retry_after=1.0)


def restore(job: Job, before: Job) -> None:
    """Make the job what it was."""
    for name in Job.__struct_fields__:
        setattr(job, name, getattr(before, name))
