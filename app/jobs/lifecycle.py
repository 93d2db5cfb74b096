"""The life of a job, from acceptance to its answer: which step is due, on both paths, with the same code.

accepted -> running -> (retrying ->) succeeded | failed | cancelled | skipped; a replayed dead letter goes from failed to
accepted. Each step is an operation of transitions.py or settling.py: committed first, its effects after. Memory is the truth
for what is unfinished, the ledger its record; a job that waits at the broker for longer is parked: a row, and no object.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import structlog

from app.contract import MAX_RESULT_BYTES, Outcome, failure
from app.due import Due
from app.effects import Effects, Receipt
from app.jobs import dead_letters, ledger
from app.jobs.announcer import Announcer
from app.jobs.begun import Begun
from app.jobs.consequences import NOTHING, Consequences, UserCode, consequences_of, leads_to_nothing
from app.jobs.job import LOST, Job
from app.jobs.life import Controls
from app.jobs.making import checked, encoded, new_job, put_off, too_large
from app.jobs.memory import RETRY_SECONDS
from app.jobs.reported import Reported
from app.jobs.settling import Settle, Turn
from app.jobs.transitions import Launch, Mark, Park, Release, Replay, Start
from app.loops import Loops
from app.metrics import Metrics
from app.next_due import NextDue
from app.paths.routing import Routing
from app.payload import Refused
from app.rooms import Room, Rooms
from app.store.errors import StoreUnavailable
from app.store.store import Store
from app.tasks import Task

log = structlog.get_logger()

_encode_outcome, _decode_outcome = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Outcome).decode

MARK_SECONDS = 2.0  # between two notes of where a restart begins to look
CANCELLED_SECONDS = 24 * 3600.0  # for which cancelled jobs are told to workers who ask
RELEASE_SECONDS = 0.1  # at least between two looks for delayed jobs that are due
SWEEP_SECONDS = 1.0  # between two looks for parked jobs past their deadline


CallOwner = Callable[..., Coroutine[Any, Any, bytes | None]]  # room, kind and values to the answer of the room's owner


IsAnswered = Callable[[str, int, str | None], Coroutine[Any, Any, bool]]  # room, seq and sender of a message


class Lifecycle(Reported):
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
        size: Callable[[str], dict[str, int | str]],
        load_room: Callable[[str], Any],
        history: Callable[[str, int], Any],
        durable: bool,
        controls: Controls,
    ) -> None:
        super().__init__(store, rooms, tasks, metrics, loop, announcer, due, load_room)
        self.routing, self.link, self.size, self.durable = routing, link, size, durable
        self._user_code, self._history, self.controls = user_code, history, controls
        self.newest = 0  # place in the order of acceptance
        self.releasing: set[str] = set()  # IDs of delayed jobs whose start is about to be committed
        self.delays = NextDue(due, loop, "delayed jobs", self._release)
        self.call_back: Callable[[], None] = lambda: None  # an outcome was committed that somebody is to be told
        self.is_answered: IsAnswered = _never  # has anybody who answers written since this message of this person?
        self.owner: str | None = None  # this process, where others may own rooms, too
        self.call_owner: CallOwner | None = None
        self.begun = Begun()
        self.marked = 0  # no job below this place is unfinished, but for parked ones: so says the ledger

    # Acceptance

    def follower(self, parent: Job, task: Task, args: str) -> Job:
        """The job that follows a delivered one; failed from the start when it was given too much."""
        job = new_job(task, parent.room, args, parent.sender_id, parent.sender_name, message=parent.message)
        put_off(job, task.delay_s)
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
        if job.delayed:
            self.parked_jobs += 1
            self.delays.expect(job.due or 0.0)
            return
        self.jobs[job.id] = job
        room.jobs[job.n] = job
        if self.durable:
            self.set_deadline(job)
        self._announcer.watch(job)

    # While it runs

    def start(self, job: Job) -> None:
        """A job that waited on the simple path has a slot now."""
        self.store.add(Start(self, job, job.attempt))

    def parked(self, job: Job) -> None:
        """The broker has it, and the ledger: forget it."""
        self.jobs.pop(job.id, None)
        self.rooms[job.room].jobs.pop(job.n, None)
        self.forget_deadline(job)
        self._announcer.forget(job)
        self.parked_jobs += 1
        self.rooms.let_go(self.rooms[job.room])

    def park(self, job: Job, attempt: int, stream_seq: int) -> None:
        """The broker has had this attempt for a while."""
        self.store.add(Park(self, job, attempt, stream_seq))

    def fall_back(self, job: Job) -> None:
        """Run an attempt on the simple path that the broker did not take for too long."""
        self.routing.over(job)
        self.store.add(Launch(self, job, path="simple"))

    def refused(self, job: Job, attempt: int, why: str) -> None:
        """The broker will never take this attempt."""
        self.settle(job, attempt, failure("broker_refused", f"the broker refuses it: {why}"))

    async def _release(self) -> float | None:
        """Start the delayed jobs whose time has come; returns when the next one is due."""
        now = time.time()
        for id in await self.store.read(lambda connection: ledger.due_by(connection, now, self.owner)):
            job = await self.find(id)
            if job is None or not job.delayed or id in self.releasing:
                continue
            if await self._is_not_needed(job):
                self.settle(job, job.attempt, Outcome(state="skipped"))
            else:
                self.releasing.add(id)
                self.store.add(Release(self, job))
        await self.store.settled()
        at = await self.store.read(lambda connection: ledger.next_due(connection, self.owner))
        return None if at is None else max(at, now + RELEASE_SECONDS)

    async def _is_not_needed(self, job: Job) -> bool:
        """Whether its task is for messages that nobody answers, and somebody has."""
        task = self.tasks.get(job.task)
        if task is None or not task.unless_answered or job.message is None:
            return False
        return await self.is_answered(job.room, job.message, job.sender_id)

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

    def settle(
        self,
        job: Job,
        attempt: int,
        outcome: Outcome,
        receipt: Receipt | None = None,
        waiter: Future[Job] | None = None,
    ) -> None:
        """Commit how an attempt ended, with all that follows from it."""
        if outcome.state == "failed":
            self._due.look_at_clock()  # whether there is time for another attempt must not depend on it
        if outcome.result is not None and len(outcome.result) > MAX_RESULT_BYTES:
            outcome = too_large("the result", len(outcome.result))
        if job.attempt == LOST:
            return  # the room is another process's, which has another attempt of it, or gets this outcome
        if leads_to_nothing(self.tasks, job, outcome):
            self.store.add(Settle(self, job, attempt, outcome, NOTHING, receipt, waiter))
        else:
            self.spawn(self._settle_with_consequences(job, attempt, outcome, receipt, waiter))

    def settle_by_id(self, id: str, attempt: int, outcome: Outcome, receipt: Receipt | None) -> None:
        """As `settle`, for a job that may be parked, or that nobody knows."""
        job = self.jobs.get(id)
        if job is not None:
            self.settle(job, attempt, checked(self.tasks, job, outcome), receipt)
        else:
            self.when_loaded(
                id,
                lambda job: self.settle(job, attempt, checked(self.tasks, job, outcome), receipt),
                receipt,
                lambda job: self._settle_elsewhere(job, attempt, outcome, receipt),
            )

    async def _settle_elsewhere(self, job: Job, attempt: int, outcome: Outcome, receipt: Receipt | None) -> None:
        """Hand an outcome to the owner of the job's room; it is acknowledged once that has committed it."""
        if self.call_owner is None:
            return
        try:
            await self.call_owner(job.room, "settle", job.id, attempt, _encode_outcome(outcome))
        except (Refused, StoreUnavailable):
            return  # it comes again
        effects = Effects()
        effects.received(receipt)
        self.store.writer.publish(effects)

    async def serve_settle(self, _: str, id: str, attempt: int, outcome: bytes) -> bytes:
        """Settle an outcome that another process got, of a job in a room of ours; answered once it is committed."""
        job, ended = await self.find(id), _decode_outcome(outcome)
        if job is not None and id in self.jobs:
            done: Future[Job] = self._loop.create_future()
            self.settle(job, attempt, checked(self.tasks, job, ended), waiter=done)
            await done
        return b"settled"

    async def cancel(self, job: Job) -> Job:
        """Make the job final at once, unless it is; returns it as it is then. What still runs has its outcome dropped."""
        if not self.durable:
            raise Refused("conflict", "LEDGER=off keeps no jobs: there is nothing to cancel")
        done: Future[Job] = self._loop.create_future()
        self.store.add(Settle(self, job, job.attempt, Outcome(state="cancelled", ms=job.ms), waiter=done, at_once=True))
        cancelled = await done
        self.routing.cancelled(cancelled)
        return cancelled

    def ended(self, room: Room, job: Job) -> None:
        """A job was committed as final and is shown: nothing holds it any more."""
        self.jobs.pop(job.id, None)
        room.jobs.pop(job.n, None)
        self.consequences.pop(job.n, None)
        self.texts.forget(job)
        self.forget_deadline(job)
        self._announcer.forget(job)
        self.metrics.job_ended(job)
        self.rooms.let_go(room)

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

    async def _consequences_patiently(self, job: Job, outcome: Outcome) -> tuple[Outcome, Consequences]:
        """Also while the database is away, which has what a follower is told of the room: nobody gives this outcome again."""
        while True:
            try:
                return await self.consequences_again(job, outcome)
            except StoreUnavailable as error:
                log.warning("what follows from an outcome is not known yet", job=job.id, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def consequences_again(self, job: Job, outcome: Outcome) -> tuple[Outcome, Consequences]:
        """What a kept outcome leads to, found out once more."""
        return await consequences_of(
            self._user_code, self.tasks, job, outcome, self._history, lambda task: self._may_follow(job, task)
        )

    def _may_follow(self, job: Job, task: Task) -> bool:
        """Whether the room wants it; nothing waits for a time that is not in the ledger."""
        room = self.rooms.find(job.room)
        return (room is None or room.runs(task)) and (self.durable or not task.delay_s)

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
        if not (await self._load_room(job.room)).ours:
            raise Refused("busy", "its room has another owner now: try again", retry_after=1.0)
        done: Future[Job | None] = self._loop.create_future()
        self.store.add(Replay(self, job, task, done))
        replayed = await done
        if replayed is None:
            raise Refused("conflict", "this dead letter was replayed or dropped just now")
        return replayed

    def replayed(self, job: Job) -> None:
        """A dead letter was committed as accepted again."""
        self.hold(job)
        self.store.add(Launch(self, job))

    # Again and again

    def begin(self, loops: Loops) -> None:
        """Look after deadlines of parked jobs, clock jumps and the mark from now on."""
        loops.every(SWEEP_SECONDS, "deadlines", self.sweep)
        if self.durable:
            self._due.on_jump = self._clock_jumped
        if self.durable and self.owner is None:
            loops.tick(MARK_SECONDS, "mark", self._mark)

    def _mark(self) -> None:
        if self.newest > self.marked + (1000 << 10):
            self.store.add(Mark(self))

    async def sweep(self) -> None:
        """End parked jobs that are past their deadline; called every SWEEP_SECONDS."""
        if not self.parked_jobs or self._due.look_at_clock():
            return  # where the clock was set, the ledger is moving their deadlines
        now, paused = time.time(), [task for task in self.tasks if self.controls.is_paused(task)]
        for id in await self.store.read(lambda connection: ledger.overdue_parked(connection, now, self.owner, paused)):
            job = await self.find(id)
            if job is not None and not job.final:
                self.expire(job)

    def expire(self, job: Job) -> None:
        """End a job whose deadline has come, unless it waits for its task to go on: then the deadline stands still."""
        stands_still = job.state in ("accepted", "retrying") and self.controls.is_paused(job.task)
        if not (job.final or stands_still):
            self.settle(job, job.attempt, failure("deadline", "no answer before the deadline"))

    def extend(self, job: Job, seconds: float) -> None:
        """Have a job in memory end so much later; the ledger was told by whoever let its task go on."""
        job.deadline += seconds
        if self.durable:
            self.set_deadline(job)

    def lose(self, room: Room) -> None:
        """As Memory."""
        for job in room.jobs.values():
            self.routing.over(job)
        super().lose(room)

    def _retry(self, job: Job, attempt: int) -> None:
        self._retries.pop(job.n, None)
        if job.state == "retrying" and job.attempt == attempt:
            self.store.add(Launch(self, job))

    def _clock_jumped(self, seconds: float) -> None:
        """The wall clock was set: deadlines and retries were meant as durations, and move with it."""
        for job in self.jobs.values():
            job.deadline += seconds
            job.due = job.due + seconds if job.due is not None else None
        self.spawn(self.store.change(lambda connection: ledger.shift_clock(connection, seconds, self.owner)))

    async def _settle_with_consequences(
        self, job: Job, attempt: int, outcome: Outcome, receipt: Receipt | None, waiter: Future[Job] | None
    ) -> None:
        outcome.ms, ms = None, outcome.ms
        outcome, consequences = await self._consequences_patiently(job, outcome)
        outcome.ms = ms
        if job.attempt != LOST:
            self.store.add(Settle(self, job, attempt, outcome, consequences, receipt, waiter))


async def _never(*_: Any) -> bool:
    return False
