"""The steps of a job's life as operations: what each decides, stores, takes back, and what follows from it.

Nothing here decides that a step is due: app/jobs/lifecycle.py does. `prepare` runs with everything before it settled, so
the first outcome of an attempt wins simply by being first.
"""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Protocol

import msgspec

from app.contract import SPILLWAY, JobError, MessageView, Outcome
from app.effects import Effects, Receipt, Reply
from app.ids import new_id, new_position, rfc3339
from app.jobs import ledger
from app.jobs.consequences import NOTHING, Consequences, words_of_failure
from app.jobs.job import INTERRUPTED, Job, context, view, with_error
from app.jobs.retries import next_attempt
from app.metrics import Metrics
from app.payload import Refused
from app.rooms import Room, Rooms
from app.store.operation import Find, Operation, Rows, add_row
from app.tasks import Task

ANSWER_SECONDS = 4.5  # within which whoever asks is told that it is stored, or that it will not be


class Slots(Protocol):
    """What an operation asks app/paths/routing.py."""

    def choose(self, task: str, room: str) -> str:
        """The path the next attempt takes."""

    def reserve(self, path: str) -> bool:
        """Take a slot on this path, if there is one."""

    def release(self, path: str) -> None:
        """Give it back."""


class Life(Protocol):
    """What the steps need of the life they belong to: what is in memory, and what to note after a commit."""

    rooms: Rooms
    tasks: Mapping[str, Task]
    metrics: Metrics
    link: Callable[[str], str]
    durable: bool
    jobs: dict[str, Job]
    consequences: dict[int, Consequences]
    newest: int
    marked: int

    @property
    def routing(self) -> Slots: ...
    def now(self) -> float: ...
    def is_ordered(self, task: str) -> bool: ...
    def leave_line(self, room: Room, job: Job) -> None: ...
    def follower(self, parent: Job, task: Task, args: str) -> Job: ...
    def accepted(self, room: Room, job: Job) -> None: ...
    def show_progress(self, effects: Effects, job: Job) -> None: ...
    def died(self, job: Job) -> None: ...
    def step_ended(self, job: Job) -> None: ...
    def has_steps(self, job: Job) -> bool: ...
    def parked(self, job: Job) -> None: ...
    def retry_later(self, effects: Effects, room: Room, job: Job) -> None: ...
    def ended(self, room: Room, job: Job) -> None: ...
    def is_dead(self, id: str) -> bool: ...
    def replayed(self, job: Job) -> None: ...


class Accept(Operation):
    """A new job: put into the ledger, on the path its flag says, running at once where there is a slot."""

    def __init__(self, life: Life, job: Job, reply: Reply | None = None) -> None:
        self.life, self.job, self.reply = life, job, reply
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
            self.reserved = life.routing.reserve(job.path)
            if self.reserved:
                job.state, job.started = "running", job.at
        if job.message is None or (job.final and job.message != self.room.next_seq):
            job.changed = self.room.next_seq
        if life.durable:
            ledger.insert(rows, job)
            if not job.final and life.is_ordered(job.task):
                self.room.line(job.task).join(job.n)

    def undo(self) -> None:
        """Give slot and place back."""
        if self.reserved:
            self.life.routing.release(self.job.path)
            self.reserved, self.job.state, self.job.started = False, "accepted", None
        if self.life.durable and self.job.task in self.room.lines:
            self.life.leave_line(self.room, self.job)

    def done(self, effects: Effects) -> None:
        """Acknowledge it, and start it."""
        self.life.accepted(self.room, self.job)
        if self.reply is not None:
            effects.reply(self.reply, {"job": view(self.job, "accepted")})
        if self.job.final:
            effects.show_job(self.room, self.job)
        else:
            effects.start(self.job)

    def failed(self, effects: Effects, error: Exception) -> None:
        """Say that it is not stored."""
        if self.reply is not None:
            effects.refuse(self.reply, NOT_STORED)

    def conflict(self, effects: Effects, find: Find) -> None:
        """A resend: the job it asked for is there already, unless the key was used for another."""
        row = find(ledger.FIND_BY_KEY, (self.job.room, self.job.sender_id, self.job.key))
        if self.reply is None or row is None:
            self.failed(effects, LookupError("a key in use, and no job that has it"))
            return
        known = self.life.jobs.get(row[1]) or Job(**dict(zip(Job.__struct_fields__, row, strict=True)))
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
            self.life.routing.release("simple")


class Requeue(Operation):
    """A stopping process did not finish this attempt: the next start gets it, and it is not counted."""

    def __init__(self, life: Life, job: Job) -> None:
        self.life, self.job = life, job

    def prepare(self, rows: Rows) -> None:
        """Unless it has ended after all."""
        if self.job.state == "running" and self.life.durable:
            self.job.state, self.job.started = "accepted", None
            ledger.start(rows, self.job)


class Launch(Operation):
    """Another attempt, or one taken up after a restart: the flag is asked again, and the ledger knows the path first."""

    def __init__(self, life: Life, job: Job, path: str | None = None) -> None:
        self.life, self.job, self.attempt, self.path = life, job, job.attempt, path
        self.before: Job | None = None
        self.reserved = False

    def prepare(self, rows: Rows) -> None:
        """Unless it was cancelled, or moved on, meanwhile."""
        job = self.job
        self.before, self.reserved = None, False
        if job.final or job.attempt != self.attempt:
            return
        self.before = copy(job)
        job.path = self.path or self.life.routing.choose(job.task, job.room)
        self.reserved = self.life.routing.reserve(job.path)
        job.state, job.due, job.published, job.parked = "accepted", None, 0, False
        if self.reserved:
            job.state, job.started = "running", time.time()
        ledger.update(rows, job)

    def undo(self) -> None:
        """As it was."""
        if self.reserved:
            self.life.routing.release(self.job.path)
        if self.before is not None:
            restore(self.job, self.before)

    def done(self, effects: Effects) -> None:
        """Start it."""
        self.life.step_ended(self.job)
        if self.before is None:
            return
        if not self.job.final and self.job.attempt == self.attempt:
            self.life.show_progress(effects, self.job)
            effects.start(self.job)
        elif self.reserved:  # it ended in this very transaction
            self.life.routing.release("simple")


class Note(Operation):
    """A worker says that a run goes on. A run that was announced before and never ended is a death."""

    def __init__(self, life: Life, job: Job, attempt: int, run: str, progress: str | None) -> None:
        self.life, self.job, self.attempt, self.run, self.progress = life, job, attempt, run, progress
        self.before: Job | None = None

    def prepare(self, rows: Rows) -> None:
        """Unless it is no news."""
        job = self.job
        self.before = None
        known = job.state == "running" and job.run == self.run and self.progress is None
        if job.final or job.attempt != self.attempt or known:
            return
        self.before = copy(job)
        if job.run is not None and job.run != self.run:
            job.deaths += 1
        job.run, job.progress, job.parked = self.run, self.progress or job.progress, False
        if job.state != "running":
            job.state, job.started, job.due = "running", time.time(), None
        ledger.update(rows, job)

    def undo(self) -> None:
        """As it was."""
        if self.before is not None:
            restore(self.job, self.before)

    def done(self, effects: Effects) -> None:
        """Show it, and end what kills its workers."""
        self.life.step_ended(self.job)
        if self.before is None:
            return
        self.life.show_progress(effects, self.job)
        if self.job.deaths > self.before.deaths:
            self.life.died(self.job)


class Settle(Operation):
    """How an attempt ended: another attempt, or a final state that is shown in its turn, with what follows from it.

    All of it is one transaction: the outcome, its message for the room and the jobs that follow. With `at_once` the job
    does not wait for its turn (it was cancelled).
    """

    def __init__(
        self,
        life: Life,
        job: Job,
        attempt: int,
        outcome: Outcome,
        consequences: Consequences = NOTHING,
        receipt: Receipt | None = None,
        waiter: Future[Any] | None = None,
        at_once: bool = False,
    ) -> None:
        self.life, self.job, self.attempt, self.outcome = life, job, attempt, outcome
        self.consequences, self.receipt, self.waiter, self.at_once = consequences, receipt, waiter, at_once
        self.room = life.rooms[job.room]
        self.dropped: str | None = None
        self.before: list[tuple[Job, Job]] = []
        self.delivered: list[Delivered] = []

    def prepare(self, rows: Rows) -> None:
        """The first outcome of the current attempt counts; later ones and those of older attempts are dropped."""
        job = self.job
        self.before, self.delivered = [], []
        self.dropped = "already final" if job.final else "another attempt" if job.attempt != self.attempt else None
        if self.dropped:
            return
        self.before.append((job, copy(job)))
        error = self.outcome.error
        if error is not None and error.code == INTERRUPTED:
            job.deaths += 1
        again = next_attempt(job, self.life.tasks.get(job.task), error) if self.life.durable else None
        if again is not None and error is not None:
            self._retry(rows, again)
        else:
            self._end(rows)

    def _retry(self, rows: Rows, again: dict[str, Any]) -> None:
        job = self.job
        if self.outcome.error is not None and again.pop("counts"):
            job.errors = with_error(job, self.outcome.error)
        job.state, job.ms, job.run, job.parked = "retrying", self.outcome.ms, None, False
        job.attempt, job.attempts, job.due = again["attempt"], again["attempts"], again["due"]
        ledger.update(rows, job)

    def _end(self, rows: Rows) -> None:
        job, outcome, now = self.job, self.outcome, time.time()
        job.state, job.finished, job.ms, job.parked = outcome.state, now, outcome.ms, False
        job.started = job.started or now - (outcome.ms or 0) / 1000  # workers announce no short runs
        job.result = None if outcome.result is None else outcome.result.decode()
        job.error = None if outcome.error is None else msgspec.json.encode(outcome.error).decode()
        job.dead = outcome.state == "failed" and self.life.durable
        line = self.room.lines.get(job.task)
        if line is None or self.at_once or line.first() in (job.n, None):
            self._deliver(rows, job, self.consequences)
            self._deliver_held(rows)
        else:  # somebody asked before: the outcome is kept, and shown in its turn
            line.held[job.n] = job
            self.life.consequences[job.n] = self.consequences
            if self.life.durable:
                ledger.settle(rows, job)

    def _deliver_held(self, rows: Rows) -> None:
        """Show those behind it whose turn has come: they have ended, and so have all before them."""
        line = self.room.lines.get(self.job.task)
        while line is not None and (n := line.first()) in line.held:
            held = line.held.pop(n)
            self.before.append((held, copy(held)))
            self._deliver(rows, held, self.life.consequences.get(n, NOTHING))

    def _deliver(self, rows: Rows, job: Job, consequences: Consequences) -> None:
        life, room = self.life, self.room
        job.delivered = True
        job.changed = None if job.message == room.next_seq else room.next_seq
        if life.durable:
            ledger.settle(rows, job)
        if job.task in room.lines:
            life.leave_line(room, job)
        said = consequences.said
        if job.state == "failed" and job.key is not None:
            said = words_of_failure(life.tasks.get(job.task), job)
        delivered = Delivered(life, job, said)
        self.delivered.append(delivered)
        delivered.prepare(rows, consequences)

    def undo(self) -> None:
        """Every job, line and count as it was."""
        for delivered in reversed(self.delivered):
            delivered.undo()
        held = {each.job.n for each in self.delivered} - {self.job.n}
        for job, before in reversed(self.before):
            restore(job, before)
            if self.life.durable and self.life.is_ordered(job.task):
                line = self.room.line(job.task)
                if any(each.job is job for each in self.delivered):
                    line.join(job.n)
                line.held.pop(job.n, None)
                if job.n in held:
                    line.held[job.n] = job

    def done(self, effects: Effects) -> None:
        """Show what was delivered, start what follows, wait with the retry, and acknowledge where it came from."""
        self.life.step_ended(self.job)
        effects.received(self.receipt)
        effects.answer(self.waiter, self.job)
        if self.dropped:
            self.life.metrics.outcome_dropped(self.dropped)
        elif self.job.state == "retrying":
            self.life.retry_later(effects, self.room, self.job)
        for delivered in self.delivered:
            delivered.done(effects)

    def failed(self, effects: Effects, error: Exception) -> None:
        """Never given up: an outcome is settled again until it is stored."""


class Turn(Settle):
    """An outcome that was kept before a restart: shown as soon as those before it have ended."""

    def __init__(self, life: Life, job: Job) -> None:
        super().__init__(life, job, job.attempt, Outcome(state=job.state))

    def prepare(self, rows: Rows) -> None:
        """Deliver it and those behind it, as far as their turn has come."""
        self.before, self.delivered = [], []
        self.dropped = "already final" if self.job.delivered else None
        line = self.room.lines.get(self.job.task)
        if self.dropped:
            return
        if line is None or self.job.n not in line.held:
            self.before.append((self.job, copy(self.job)))
            self._deliver(rows, self.job, self.life.consequences.get(self.job.n, NOTHING))
        else:
            self._deliver_held(rows)


class Delivered:
    """One job whose answer is shown, what it says, and the jobs that follow it."""

    def __init__(self, life: Life, job: Job, said: Any) -> None:
        self.life, self.job, self.said = life, job, said
        self.room = life.rooms[job.room]
        self.message: MessageView | None = None
        self.followers: list[Accept] = []

    def prepare(self, rows: Rows, consequences: Consequences) -> None:
        """Store the message and the jobs."""
        if self.said is not None:
            self.message = self._store_message(rows)
        for task, args in consequences.followers if self.job.state == "succeeded" else ():
            accept = Accept(self.life, self.life.follower(self.job, task, args))
            self.followers.append(accept)
            accept.prepare(rows)

    def _store_message(self, rows: Rows) -> MessageView:
        job, room = self.job, self.room
        room.next_seq += 1
        kind = "system" if job.state == "failed" else "ml"
        at, id, about = time.time(), new_id(), context(job)
        data = msgspec.json.encode(about).decode()
        upload = self.said.upload
        row = (
            room.name,
            room.next_seq,
            id,
            None,
            SPILLWAY.id,
            SPILLWAY.name,
            kind,
            self.said.text,
            data,
            upload,
            job.id,
        )
        add_row(rows, "message", (*row, at))
        if upload is not None:
            about["url"] = self.life.link(upload)
        return MessageView(
            room=room.name,
            seq=room.next_seq,
            id=id,
            sender=SPILLWAY,
            kind=kind,
            text=self.said.text,
            data=about,
            upload=upload,
            job=job.id,
            at=rfc3339(at),
        )

    def undo(self) -> None:
        """Give back what was taken."""
        for accept in reversed(self.followers):
            accept.undo()
        if self.message is not None:
            self.room.next_seq -= 1

    def done(self, effects: Effects) -> None:
        """The answer first, then its message, then what follows."""
        self.life.ended(self.room, self.job)
        effects.show_job(self.room, self.job)
        if self.message is not None:
            self.room.seq = self.message.seq
            self.life.metrics.message_stored(self.message.kind)
            effects.show(self.room, "message:new", self.message)
        for accept in self.followers:
            accept.done(effects)


class Park(Operation):
    """The broker has had this attempt for a while: from here on the ledger alone remembers it."""

    def __init__(self, life: Life, job: Job, attempt: int, stream_seq: int) -> None:
        self.life, self.job, self.attempt, self.stream_seq = life, job, attempt, stream_seq
        self.before: Job | None = None

    def prepare(self, rows: Rows) -> None:
        """Unless it has moved on; one that runs stays in memory, for its end is near."""
        job = self.job
        self.before = None
        if job.final or job.attempt != self.attempt or job.path != "queued" or job.state == "retrying":
            return
        self.before = copy(job)
        job.published, job.stream_seq, job.parked = job.attempt, self.stream_seq, job.state == "accepted"
        ledger.park(rows, job)

    def undo(self) -> None:
        """As it was."""
        if self.before is not None:
            restore(self.job, self.before)

    def done(self, effects: Effects) -> None:
        """Forget it, unless something has happened to it in the same transaction, or is about to."""
        if self.before is not None and self.job.parked and not self.life.has_steps(self.job):
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
        if not job.dead or job.id in self.life.jobs or not self.life.is_dead(job.id):
            return
        self.before = copy(job)
        job.errors = with_error(job, msgspec.json.decode(job.error or '{"code":"","message":""}', type=JobError))
        job.state, job.attempt, job.attempts = "accepted", job.attempt + 1, job.attempt + self.task.attempts
        job.deadline, job.deaths, job.run = now + self.task.deadline, 0, None
        job.dead = job.delivered = False
        job.error = job.result = job.finished = job.started = None
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


class Mark(Operation):
    """Where the next start begins to look for unfinished jobs."""

    def __init__(self, life: Life) -> None:
        self.life, self.n = life, 0

    def prepare(self, rows: Rows) -> None:
        """The oldest unfinished job in memory, or one accepted in this very group."""
        self.n = min(
            min((job.n for job in self.life.jobs.values()), default=self.life.newest + 1),
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
