"""The life of a job, from acceptance to its answer: which step is due, on both paths, with the same code.

accepted -> running -> (retrying ->) succeeded | failed | cancelled | skipped; a replayed dead letter goes from failed to
accepted. Each step is an operation of app/jobs/transitions.py: committed first, its effects after. Memory is the truth
for what is unfinished, the ledger its record; a job that waits at the broker for longer is parked: a row, and no object.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop, Future
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from app.contract import MAX_RESULT_BYTES, JobError, Outcome, failure
from app.due import Due, Entry
from app.effects import Effects, Receipt, Reply
from app.ids import new_id
from app.jobs import dead_letters, ledger
from app.jobs.announcer import Announcer
from app.jobs.consequences import NOTHING, Consequences, UserCode, consequences_of, leads_to_nothing
from app.jobs.job import MAX_DEATHS, Job
from app.jobs.transitions import Accept, Launch, Mark, Note, Park, Replay, Settle, Start, Turn
from app.metrics import Metrics
from app.paths.routing import Routing
from app.payload import Refused
from app.rooms import Room, Rooms
from app.store.errors import StoreUnavailable
from app.store.store import Store
from app.tasks import Task

log = structlog.get_logger()

MARK_SECONDS = 2.0  # between two notes of where a restart begins to look
CANCELLED_SECONDS = 24 * 3600.0  # for which cancelled jobs are told to workers who ask
SWEEP_SECONDS = 1.0  # between two looks for parked jobs past their deadline


class Lifecycle:
    """Takes jobs from acceptance to their answer. Everything here runs on the loop and never waits."""

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        tasks: Mapping[str, Task],
        routing: Routing,
        metrics: Metrics,
        loop: AbstractEventLoop,
        user_code: UserCode,
        announcer: Announcer,
        due: Due,
        link: Callable[[str], str],
        load_room: Callable[[str], Any],
        history: Callable[[str, int], Any],
        durable: bool,
    ) -> None:
        self.store, self.rooms, self.tasks, self.routing = store, rooms, tasks, routing
        self.metrics, self.link, self.durable = metrics, link, durable
        self._loop, self._user_code, self._announcer, self._due = loop, user_code, announcer, due
        self._load_room, self._history = load_room, history
        self.jobs: dict[str, Job] = {}  # not final, or final and waiting for their turn; by ID
        self.consequences: dict[int, Consequences] = {}  # of those that wait for their turn, by place
        self.parked_jobs = 0
        self.newest = 0  # place in the order of acceptance
        self.marked = 0
        self._deadlines: dict[int, Entry] = {}
        self._loading: dict[str, Future[Job | None]] = {}
        self._retries: dict[int, Entry] = {}
        self._steps: dict[int, int] = {}  # how many steps of each job are on their way, by place

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def is_ordered(self, task: str) -> bool:
        """Whether answers of this task are shown in the order asked."""
        declared = self.tasks.get(task)
        return declared is not None and declared.ordered

    # Acceptance

    def accept(self, job: Job, reply: Reply) -> None:
        """Put a job somebody asked for into the ledger, acknowledge it and start it."""
        self.store.add(Accept(self, job, reply))

    def follower(self, parent: Job, task: Task, args: str) -> Job:
        """The job that follows a delivered one; failed from the start when it was given too much."""
        job = new_job(task, parent.room, args, parent.sender_id, parent.sender_name, message=parent.message)
        if len(args) > MAX_RESULT_BYTES:
            outcome = too_large("the arguments", len(args))
            job.state, job.error, job.finished = "failed", encoded(outcome.error), job.at
            job.dead, job.delivered = self.durable, True
        return job

    def accepted(self, room: Room, job: Job) -> None:
        """A job was committed: from here on it is in memory until it ends or is parked."""
        self.metrics.job_accepted(job)
        if job.final:
            return
        self.jobs[job.id] = job
        room.jobs[job.n] = job
        if self.durable:
            self._deadlines[job.n] = self._due.at(job.deadline, self._expire, job)
        self._announcer.watch(job)

    # While it runs

    def start(self, job: Job) -> None:
        """A job that waited on the simple path has a slot now."""
        self.store.add(Start(self, job, job.attempt))

    def announced(self, id: str, attempt: int, run: str, progress: str | None) -> None:
        """A worker says that a run goes on."""
        job = self.jobs.get(id)
        if job is not None:
            self._note(job, attempt, run, progress)
        else:
            self._when_loaded(id, lambda job: self._note(job, attempt, run, progress))

    def _note(self, job: Job, attempt: int, run: str, progress: str | None) -> None:
        self._step_begun(job)
        self.store.add(Note(self, job, attempt, run, progress))

    def _step_begun(self, job: Job) -> None:
        """Something is about to happen to the job: it must stay in memory, or there would soon be two of it."""
        self._steps[job.n] = self._steps.get(job.n, 0) + 1

    def step_ended(self, job: Job) -> None:
        """It has happened."""
        left = self._steps.pop(job.n, 0) - 1
        if left > 0:
            self._steps[job.n] = left

    def has_steps(self, job: Job) -> bool:
        """Whether something is about to happen to the job."""
        return job.n in self._steps

    def died(self, job: Job) -> None:
        """A run that had begun never ended; after a few, the job counts as poison."""
        if job.deaths >= MAX_DEATHS:
            self.settle(job, job.attempt, failure("poison", f"{job.deaths} workers ended while they ran it"))

    def parked(self, job: Job) -> None:
        """The broker has it, and the ledger: forget it."""
        self.jobs.pop(job.id, None)
        self.rooms[job.room].jobs.pop(job.n, None)
        self._forget_deadline(job)
        self._announcer.forget(job)
        self.parked_jobs += 1
        self.rooms.let_go(self.rooms[job.room])

    def park(self, job: Job, attempt: int, stream_seq: int) -> None:
        """The broker has had this attempt for a while."""
        self.store.add(Park(self, job, attempt, stream_seq))

    def fall_back(self, job: Job) -> None:
        """Run an attempt on the simple path that the broker did not take for too long."""
        self._step_begun(job)
        self.store.add(Launch(self, job, path="simple"))

    def refused(self, job: Job, attempt: int, why: str) -> None:
        """The broker will never take this attempt."""
        self.settle(job, attempt, failure("broker_refused", f"the broker refuses it: {why}"))

    async def cancelled_lately(self) -> list[str]:
        """Jobs of the queue that workers may still meet on the stream though they are cancelled."""
        since = time.time() - CANCELLED_SECONDS
        return await self.store.read(lambda connection: ledger.cancelled_since(connection, since))

    async def job_at(self, stream_seq: int) -> tuple[str, int] | None:
        """The unfinished job whose attempt is, or was, at this place on the stream of jobs; and the attempt."""
        for job in self.jobs.values():
            if job.stream_seq == stream_seq:
                return job.id, job.attempt
        id = await self.store.read(lambda connection: ledger.parked_at(connection, stream_seq))
        found = await self.find(id) if id is not None else None
        return (found.id, found.attempt) if found is not None else None

    async def bury(self, id: str, subject: str, payload: str, why: str) -> None:
        """Keep a message of the queue that nobody could read."""
        now = time.time()
        await self.store.change(lambda connection: dead_letters.bury(connection, id, subject, payload, why, now))

    def show_progress(self, effects: Effects, job: Job) -> None:
        """Show a state between accepted and final, unless it is likely to pass before anybody has read it."""
        if self._announcer.is_known(job) and not job.delivered:
            effects.show_job(self.rooms[job.room], job)

    # How it ends

    def settle(self, job: Job, attempt: int, outcome: Outcome, receipt: Receipt | None = None) -> None:
        """Commit how an attempt ended, with all that follows from it."""
        if outcome.result is not None and len(outcome.result) > MAX_RESULT_BYTES:
            outcome = too_large("the result", len(outcome.result))
        self._step_begun(job)
        if leads_to_nothing(self.tasks, job, outcome):
            self.store.add(Settle(self, job, attempt, outcome, NOTHING, receipt))
        else:
            self._spawn(self._settle_with_consequences(job, attempt, outcome, receipt))

    def settle_by_id(self, id: str, attempt: int, outcome: Outcome, receipt: Receipt | None) -> None:
        """As `settle`, for a job that may be parked, or that nobody knows."""
        job = self.jobs.get(id)
        if job is not None:
            self.settle(job, attempt, checked(self.tasks, job, outcome), receipt)
        else:
            self._when_loaded(
                id, lambda job: self.settle(job, attempt, checked(self.tasks, job, outcome), receipt), receipt
            )

    async def cancel(self, job: Job) -> Job:
        """Make the job final at once, unless it is; returns it as it is then. What still runs has its outcome dropped."""
        if not self.durable:
            raise Refused("conflict", "LEDGER=off keeps no jobs: there is nothing to cancel")
        done: Future[Job] = self._loop.create_future()
        self._step_begun(job)
        self.store.add(Settle(self, job, job.attempt, Outcome(state="cancelled", ms=job.ms), waiter=done, at_once=True))
        cancelled = await done
        self.routing.cancelled(cancelled)
        return cancelled

    def ended(self, room: Room, job: Job) -> None:
        """A job was committed as final and is shown: nothing holds it any more."""
        self.jobs.pop(job.id, None)
        room.jobs.pop(job.n, None)
        self.consequences.pop(job.n, None)
        self._forget_deadline(job)
        self._announcer.forget(job)
        self.metrics.job_ended(job)
        self.rooms.let_go(room)

    def leave_line(self, room: Room, job: Job) -> None:
        """Give the job's place in its line up."""
        line = room.lines.get(job.task)
        if line is not None:
            line.leave(job.n)
            if not len(line):
                del room.lines[job.task]

    def retry_later(self, effects: Effects, room: Room, job: Job) -> None:
        """Show that it is tried again, and do so in time."""
        self.metrics.job_retried(job)
        effects.show_job(room, job)
        self._announcer.is_known(job, from_now_on=True)
        self.retry_in_time(job)

    def retry_in_time(self, job: Job) -> None:
        """Start the next attempt when it is due."""
        self._retries[job.n] = self._due.at(job.due or 0.0, self._retry, job, job.attempt)

    def deliver(self, job: Job) -> None:
        """Show an outcome that was kept before a restart, in its turn."""
        self.store.add(Turn(self, job))

    async def consequences_again(self, job: Job, outcome: Outcome) -> tuple[Outcome, Consequences]:
        """What a kept outcome leads to, found out once more."""
        return await consequences_of(self._user_code, self.tasks, job, outcome, self._history)

    async def replay(self, id: str) -> Job:
        """Give a dead letter its attempts once more; raises Refused when there is none, or it is no job."""
        job = await self.find(id)
        if job is None or not job.dead:
            letter = await self.store.read(lambda connection: dead_letters.find(connection, id))
            if letter is None:
                raise Refused("not_found", "there is no such dead letter")
            raise Refused("conflict", "this message is no job and cannot be replayed: it can be dropped")
        task = self.tasks.get(job.task)
        if task is None:
            raise Refused("conflict", f"there is no task {job.task} any more: the dead letter can only be dropped")
        await self._load_room(job.room)
        done: Future[Job | None] = self._loop.create_future()
        self.store.add(Replay(self, job, task, done))
        replayed = await done
        if replayed is None:
            raise Refused("conflict", "this dead letter was replayed or dropped just now")
        return replayed

    def is_dead(self, id: str) -> bool:
        """Whether the ledger has it as a dead letter at this moment; for an operation that is being prepared."""
        try:
            row = self.store.find(ledger.IS_DEAD, (id,))
        except StoreUnavailable:
            return False
        return row is not None and bool(row[0])

    def replayed(self, job: Job) -> None:
        """A dead letter was committed as accepted again."""
        self.hold(job)
        self._step_begun(job)
        self.store.add(Launch(self, job))

    # Jobs that are not in memory

    async def find(self, id: str) -> Job | None:
        """The job, taken up from the ledger when it is unfinished and was parked; None when there is none."""
        known = self.jobs.get(id)
        if known is not None:
            return known
        if id not in self._loading:
            self._loading[id] = self._spawn(self._load(id))
        return await self._loading[id]

    async def look_up(self, id: str) -> Job | None:
        """The job as it stands, without taking it up."""
        return self.jobs.get(id) or await self.store.read(lambda connection: ledger.find(connection, id))

    def is_over(self, id: str, said: bytes) -> bool:
        """Whether a worker need not run this job: it is cancelled, or over. `said` is what the worker says of its run."""
        job = self.jobs.get(id)
        if job is None:
            return False
        if said and not job.final:
            self._worker_begins(job, said)
        return job.final or job.deaths >= MAX_DEATHS

    def _worker_begins(self, job: Job, said: bytes) -> None:
        """A worker has been given a job again and asks before it runs it: an announcement that cannot come too late."""
        try:
            run, attempt = msgspec.json.decode(said, type=tuple[str, int])
        except msgspec.MsgspecError:
            return
        if attempt == job.attempt and job.run is not None and job.run != run and job.deaths + 1 >= MAX_DEATHS:
            job.deaths += 1  # counted now, so that it is not run again
            self.died(job)
        else:
            self._note(job, attempt, run, None)

    async def _load(self, id: str) -> Job | None:
        try:
            job = await self.store.read(lambda connection: ledger.find(connection, id))
            if job is None or (job.final and job.delivered):
                return job
            await self._load_room(job.room)
            if id not in self.jobs:
                self.parked_jobs -= job.parked
                self.hold(job)
            return self.jobs[id]
        finally:
            del self._loading[id]

    def _when_loaded(self, id: str, then: Callable[[Job], None], receipt: Receipt | None = None) -> None:
        async def load() -> None:
            try:
                job = await self.find(id)
            except StoreUnavailable as error:
                log.warning("a job could not be looked up: its result comes again", job=id, error=str(error))
                return
            if job is not None and id in self.jobs:
                then(job)
                return
            if receipt is not None:
                self.metrics.outcome_dropped("unknown job" if job is None else "already final")
            effects = Effects()
            effects.received(receipt)
            self.store.writer.publish(effects)

        self._spawn(load())

    def hold(self, job: Job) -> None:
        """Hold an unfinished job of the ledger in memory; its room is there."""
        room = self.rooms[job.room]
        self.jobs[job.id] = job
        room.jobs[job.n] = job
        self._deadlines[job.n] = self._due.at(job.deadline, self._expire, job)
        if self.is_ordered(job.task):
            line = room.line(job.task)
            line.leave(job.n)  # a parked job has its place already
            line.join(job.n)
        self._announcer.is_known(job, from_now_on=True)  # clients may have seen it

    # Again and again

    def begin(self) -> None:
        """Look after deadlines of parked jobs, clock jumps and the mark from now on."""
        if self.durable:
            self._due.on_jump = self._clock_jumped
            self._loop.call_later(MARK_SECONDS, self._mark)

    def _mark(self) -> None:
        if self.newest > self.marked + (1000 << 10):
            self.store.add(Mark(self))
        self._loop.call_later(MARK_SECONDS, self._mark)

    async def sweep(self) -> None:
        """End parked jobs that are past their deadline; called every SWEEP_SECONDS."""
        if not self.parked_jobs:
            return
        now = time.time()
        for id in await self.store.read(lambda connection: ledger.overdue_parked(connection, now)):
            job = await self.find(id)
            if job is not None and not job.final:
                self._expire(job)

    async def under_way(self) -> list[tuple[str, str, int]]:
        """How many jobs are accepted and not final, by task and path; raises StoreUnavailable."""
        counted = Counter((job.task, job.path) for job in self.jobs.values() if not job.final)
        if self.parked_jobs:
            for task, path, count in await self.store.read(ledger.parked_by_path):
                counted[task, path] += count
        return [(task, path, count) for (task, path), count in counted.items()]

    def _expire(self, job: Job) -> None:
        if not job.final:
            self.settle(job, job.attempt, failure("deadline", "no answer before the deadline"))

    def _retry(self, job: Job, attempt: int) -> None:
        self._retries.pop(job.n, None)
        if job.state == "retrying" and job.attempt == attempt:
            self._step_begun(job)
            self.store.add(Launch(self, job))

    def _forget_deadline(self, job: Job) -> None:
        for entries in (self._deadlines, self._retries):
            entry = entries.pop(job.n, None)
            if entry is not None:
                self._due.cancel(entry)

    def _clock_jumped(self, seconds: float) -> None:
        """The wall clock was set: deadlines and retries were meant as durations, and move with it."""
        for job in self.jobs.values():
            job.deadline += seconds
            job.due = job.due + seconds if job.due is not None else None
        self._spawn(self.store.change(lambda connection: ledger.shift_clock(connection, seconds)))

    async def _settle_with_consequences(
        self, job: Job, attempt: int, outcome: Outcome, receipt: Receipt | None
    ) -> None:
        outcome.ms, ms = None, outcome.ms
        try:
            outcome, consequences = await consequences_of(self._user_code, self.tasks, job, outcome, self._history)
        except Exception:
            self.step_ended(job)
            raise
        outcome.ms = ms
        self.store.add(Settle(self, job, attempt, outcome, consequences, receipt))

    def _spawn(self, coroutine: Any) -> Any:
        task = self._loop.create_task(coroutine)
        task.add_done_callback(_log_failure)
        return task


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("a step of a job's life failed", exc_info=task.exception())


def new_job(task: Task, room: str, args: str, sender_id: str | None, sender_name: str | None, **values: Any) -> Job:
    """A job that is not in the ledger yet; its place and path are chosen when it is committed."""
    now = time.time()
    return Job(
        n=0,
        id=new_id(),
        room=room,
        task=task.name,
        args=args,
        path="simple",
        at=now,
        deadline=now + task.deadline,
        attempts=task.attempts,
        sender_id=sender_id,
        sender_name=sender_name,
        **values,
    )


def checked(tasks: Mapping[str, Task], job: Job, outcome: Outcome) -> Outcome:
    """The outcome a worker sent, or a failure in its place when its result is not what the task promises."""
    task = tasks.get(job.task)
    if task is None or outcome.state != "succeeded":
        return outcome
    try:
        task.check_result(outcome.result or b"null")
    except Refused as error:
        wrong = JobError("result_invalid", f"the result does not fit: {error.message}")
        return Outcome(state="failed", error=wrong, ms=outcome.ms)
    return outcome


def too_large(what: str, size: int) -> Outcome:
    """The failure of a job whose arguments or result are past the bound."""
    return failure("result_too_large", f"{what} have {size} bytes: at most {MAX_RESULT_BYTES} are allowed")


def encoded(error: Any) -> str:
    """An error as JSON text."""
    return msgspec.json.encode(error).decode()
