"""Dispatch: asks the flag, hands each attempt to its path, and carries out what its outcome asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec
import structlog
from sqlalchemy import Connection

from app.dispatch.auto import Auto
from app.dispatch.background import Background
from app.dispatch.clock import Clock
from app.jobs import dead_letters, ledger
from app.jobs.accept import Begin
from app.jobs.job import CUT_OFF, Job, JobError, Outcome
from app.jobs.outcome import Settled, finish_quietly, settle
from app.messages import Message
from app.metrics import Metrics
from app.payload import Refused
from app.store.store import Store, StoreUnavailable
from app.tasks import Task

log = structlog.get_logger()

Ask = Callable[[str, str], str]
Show = Callable[[Job | Message], None]
SWEEP_EVERY = 1.0  # seconds between two looks for jobs past their deadline
POISON = 3  # times a job may be running when its process ends; below the five deaths that end `make run`
STORE_AGAIN = 0.5  # seconds until an outcome that could not be stored is stored again


class Path(Protocol):
    """How attempts run: the whole interface of a path."""

    def submit(self, job: Job) -> None:
        """Take care of this attempt; never waits."""

    def ready(self) -> bool:
        """Whether attempts can start at this moment."""

    def cancelled(self, job: Job) -> None:
        """Stop what can be stopped: the ledger says already that nobody waits for the answer."""

    def waiting(self) -> int:
        """How many attempts have not started yet, as far as this process can see."""

    def close(self, seconds: float) -> None:
        """Start nothing more, and let what runs finish for so long."""


def as_accepted(job: Job) -> Job:
    """The job as it was at the moment it was accepted, also when a place was kept and it starts right away."""
    return msgspec.structs.replace(job, state="accepted") if job.state == "running" else job


class Dispatch:
    """Takes accepted jobs to an end."""

    keeps = True  # whether jobs are put into the ledger

    def __init__(
        self,
        store: Store,
        tasks: Mapping[str, Task],
        ask: Ask,
        show: Show,
        metrics: Metrics,
        backlog: int,
        simple: Callable[[Dispatch], Background],
        queued: Callable[[Dispatch], Path] | None,
    ) -> None:
        self.store, self.tasks, self.show, self.metrics = store, tasks, show, metrics
        self._ask, self._backlog = ask, backlog
        self.simple = simple(self)
        self._make_queued = queued
        self.queued: Path | None = None
        self.auto = Auto(self.simple, self.queue_there)
        self._clock = Clock(self.dispatch)
        self.draining = False

    def path_for(self, task: str, room: str) -> str:
        """The path the next attempt takes: simple or queued."""
        path = self._ask(task, room)
        if path == "auto":
            path = self.auto.choose()
        return path if self._make_queued is not None else "simple"

    def late(self) -> float:
        """By how many seconds chat is slower than it could be, at this moment."""
        return max(self.metrics.late, self.store.late())

    def may_fall_back(self, job: Job) -> bool:
        """Whether the flag lets this job take the simple path when the broker stays away."""
        return self._ask(job.task, job.room) == "auto"

    def fall_back(self, job: Job) -> None:
        """Run an attempt on the simple path that the broker did not take for too long."""
        self._move(job, "simple")

    def under_way(self) -> list[tuple[str, str, int]]:
        """How many jobs are accepted and not final, by task and path; raises StoreUnavailable."""
        return self.store.read(ledger.under_way)

    def queue_there(self) -> bool:
        """Whether the broker can take jobs at this moment, as far as is known."""
        return self.queued is None or self.queued.ready()

    def full(self, path: str) -> bool:
        """Whether this path has no room for another job."""
        return self._on(path).waiting() >= self._backlog

    def begin(self, task: str, room: str) -> Begin:
        """Ask the flag for a new job; where there is a place on the simple path, keep it for this one."""
        path = self.path_for(task, room)
        if self.full(path):
            return Begin(path, "skipped")
        kept = path == "simple" and self.simple.reserve()
        return Begin(path, "running" if kept else "accepted")

    def give_back(self, begins: Iterable[Begin]) -> None:
        """Give back the places kept for jobs that do not start after all."""
        for begin in begins:
            if begin.state == "running":
                self.simple.release()

    def submit(self, job: Job) -> None:
        """Run the attempt on the path it was accepted for; a job that is final already is left alone."""
        if not job.final:
            self._on(job.path).submit(job)

    def dispatch(self, job: Job) -> None:
        """Ask the flag for this attempt, then run it; a change of path is in the ledger before the attempt starts."""
        path = self.path_for(job.task, job.room)
        if path == job.path:
            self.submit(job)
        else:
            self._move(job, path)

    def settle(self, job: str, attempt: int, outcome: Outcome) -> None:
        """Settle an outcome and carry out what follows; returns once it is committed, however long the store is away."""
        while True:
            try:
                self.store.write(
                    lambda c: settle(c, self.tasks, job, attempt, outcome, time.time()), then=self.carry_out
                )
                return
            except StoreUnavailable:
                time.sleep(STORE_AGAIN)

    def replay(self, id: str) -> Job:
        """Give a dead letter its attempts once more; raises Refused when there is none, or it is no job."""

        def replayed(job: Job | Refused) -> None:
            if isinstance(job, Job):
                self.show(job)
                self.dispatch(job)

        job = self.store.write(lambda c: dead_letters.replay(c, id, dict(self.tasks), time.time()), then=replayed)
        if isinstance(job, Refused):
            raise job
        return job

    def cancel(self, job: Job) -> Job:
        """Make the job final at once, unless it is; returns it as it is now. What still runs has its outcome dropped."""
        cancelled = self.store.write(lambda c: self._cancel(c, job.id), then=self.carry_out)
        if cancelled.shown and self.queued is not None:
            self.queued.cancelled(job)
        return next((shown for shown in cancelled.shown if isinstance(shown, Job)), job)

    def carry_out(self, settled: Settled) -> None:
        """Show what is to be shown, in order; start what follows; wait with a retry."""
        if settled.dropped:
            self.metrics.dropped.labels(settled.dropped).inc()
        for shown in settled.shown:
            self.count(shown)
            self.show(shown)
        for job in settled.accepted:
            self.accepted(job)
            self.dispatch(job)
        if settled.retry is not None:
            self._clock.at(settled.retry.due or 0.0, settled.retry)

    def accepted(self, job: Job) -> None:
        """Count and show a job that was just put into the ledger."""
        self.metrics.job_accepted(job)
        self.show(as_accepted(job))

    def recover(self) -> None:
        """Take up every job the ledger says is unfinished, in the order of acceptance."""
        unfinished = self.store.read(ledger.unfinished)
        for job in unfinished:
            self._take_up(job)
        if unfinished:
            log.info("took up unfinished jobs", jobs=len(unfinished))

    def sweep(self) -> None:
        """Again and again, end what is past its deadline: it would hold up the answers behind it."""
        while True:
            time.sleep(SWEEP_EVERY)
            try:
                late = self.store.read(lambda connection: ledger.overdue(connection, time.time()))
                for job in late:
                    self.store.write(lambda c, job=job: self._give_up(c, job), then=self.carry_out)  # type: ignore[misc]
            except StoreUnavailable as error:
                log.warning("cannot look for late jobs", error=str(error))

    def close(self, seconds: float) -> None:
        """Stop starting attempts and let those running finish; what is left stays in the ledger for the next start."""
        self.draining = True
        self.simple.close(seconds)
        if self.queued is not None:
            self.queued.close(seconds)

    def open_queue(self) -> None:
        """Connect to the broker now instead of with the first queued job; harmless when it is open."""
        if self._make_queued is not None:
            self._on("queued")

    def _on(self, path: str) -> Path:
        if path == "simple" or self._make_queued is None:
            return self.simple
        if self.queued is None:
            self.queued = self._make_queued(self)  # the first time anything here touches nats
        return self.queued

    def _move(self, job: Job, path: str) -> None:
        """Put an attempt on another path, unless it was cancelled while it waited here or in the outbox."""
        self.store.write_soon(
            lambda connection: ledger.move(connection, job, path),
            then=lambda moved: self.submit(moved) if moved is not None else None,
        )

    def _take_up(self, job: Job) -> None:
        if job.state == "retrying":
            self._clock.at(job.due or 0.0, job)
        elif job.path == "queued" and job.published >= job.attempt and self._make_queued is not None:
            self.open_queue()  # the broker has it: its result will come
        elif job.path == "simple" and job.state == "running":
            self._cut_off(job)
        else:
            self.dispatch(job)

    def _cut_off(self, job: Job) -> None:
        """A simple attempt was cut off when its process ended: that was an attempt, so that poison cannot go on for ever."""
        before = sum(error["code"] == CUT_OFF for error in msgspec.json.decode(job.errors or "[]"))
        words = "the process ended while this ran" + (f", {before + 1} times" if before else "")
        error = JobError(CUT_OFF, words, retryable=before + 1 < POISON)
        self.settle(job.id, job.attempt, Outcome(state="failed", error=error))

    def _give_up(self, connection: Connection, job: Job) -> Settled:
        error = JobError("deadline", "no answer before the deadline")
        return settle(connection, self.tasks, job.id, job.attempt, Outcome(state="failed", error=error), time.time())

    def _cancel(self, connection: Connection, id: str) -> Settled:
        job = ledger.find(connection, id)
        if job is None or job.final:
            return Settled()
        return finish_quietly(connection, self.tasks, job, "cancelled", time.time())

    def count(self, shown: Job | Message) -> None:
        """Put what is shown into the figures."""
        if isinstance(shown, Message):
            self.metrics.messages.labels(shown.kind).inc()
        else:
            self.metrics.job_shown(shown)
