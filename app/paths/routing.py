"""Routing: asks the flag for each attempt, and hands the attempt to the runner of its path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from app.contract import WorkerDoing
from app.jobs.job import Job
from app.paths.auto import Auto
from app.paths.gate import Gate, Pass

Ask = Callable[[str, str], str]  # task and room to simple, queued or auto


class Runner(Protocol):
    """What runs the attempts of a path."""

    def reserve(self, task: str) -> bool:
        """Take a slot for an attempt that is about to be committed, if there is one; `submit` or `release` follows."""

    def release(self, task: str) -> None:
        """Give a slot back: the attempt does not start after all."""

    def submit(self, job: Job) -> None:
        """Take care of this attempt; never waits. One with a slot is `running` already."""

    def backlog(self) -> int:
        """How many attempts wait, as far as this process can see."""

    def cancelled(self, job: Job) -> None:
        """Stop what can be stopped: nobody waits for the answer any more."""


class SimpleRunner(Runner, Protocol):
    """The runner of the simple path: attempts run in this process."""

    running: dict[int, Job]  # by place in the order of acceptance
    ended: Callable[[Job, int], None]  # called when an attempt has really ended
    is_paused: Callable[[str], bool]

    def fill(self) -> None:
        """Start what waits and may: something has changed."""


class QueuedRunner(Runner, Protocol):
    """The runner of the queued path: it can be away."""

    depth: tuple[int, int] | None  # messages and bytes on the stream of jobs, where known
    reconnects: int  # how often the broker came back

    def ready(self) -> bool:
        """Whether the broker takes jobs at this moment, as far as is known."""

    async def call_back(self, subject: str, headers: dict[str, str], body: bytes) -> str | None:
        """Publish how a job ended; returns why it was not taken, or None."""

    def drop(self, tasks: Iterable[str]) -> list[Job]:
        """Do not publish what waits of these tasks; returns it."""

    async def newest_places(self) -> list[tuple[int, int]]:
        """Of each server that is there the places on its stream of jobs, before the first and the newest."""

    async def purge(self, tasks: Iterable[str], places: list[tuple[int, int]]) -> bool:
        """Take all jobs of these tasks at these places off the streams; says whether the servers did."""

    def workers(self) -> list[WorkerDoing]:
        """Workers that were heard lately, and what they do."""

    def take(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        """Results that another web process was given."""

    async def close(self, seconds: float) -> None:
        """Publish nothing more, and disconnect."""


class Routing:
    """Chooses between the two paths; the queue is opened when the first flag or job wants it."""

    def __init__(
        self,
        ask: Ask,
        simple: SimpleRunner,
        auto: Auto,
        max_backlog: int,
        open_queue: Callable[[], QueuedRunner] | None,
        make_gate: Callable[[Pass], Gate],
    ) -> None:
        self._ask, self.simple, self._auto = ask, simple, auto
        self._max_backlog, self._open_queue = max_backlog, open_queue
        self.queued: QueuedRunner | None = None
        self.gate = make_gate(self._pass_on)
        simple.ended, simple.is_paused = self.gate.over, self.gate.is_paused

    def choose(self, task: str, room: str) -> str:
        """The path the next attempt takes: simple or queued."""
        path = self._ask(task, room)
        if path == "simple" or self._open_queue is None:
            return "simple"
        if path == "auto":
            return self._auto.choose(self.queued is None or self.queued.ready())
        return "queued"

    def may_fall_back(self, job: Job) -> bool:
        """Whether the flag lets this job take the simple path when the broker stays away."""
        return self._ask(job.task, job.room) == "auto"

    def is_full(self, task: str, room: str) -> bool:
        """Whether the path that a new job would take has no room for it."""
        runner = self.queued if self.choose(task, room) == "queued" else self.simple
        waiting = runner.backlog() if runner is not None else 0
        return max(waiting, self.gate.held(task)) >= self._max_backlog

    def reserve(self, job: Job) -> bool:
        """Take a slot for an attempt about to be committed, if it may start now and there is one on its path."""
        if job.path != "simple" or not self.simple.reserve(job.task):
            return False
        if not self.gate.enter(job):
            self.simple.release(job.task)
            return False
        return True

    def release(self, job: Job) -> None:
        """Give such a slot back: the attempt does not start after all."""
        self.simple.release(job.task)
        self.gate.over(job)

    def submit(self, job: Job) -> None:
        """Hand a committed attempt to its runner as soon as it may start; one that is final already is left alone."""
        if job.final:
            return
        if job.state == "running":
            self.gate.begun(job)
            self.simple.submit(job)
        else:
            self.gate.put(job)

    def _pass_on(self, job: Job) -> None:
        (self.open_queue() if job.path == "queued" else self.simple).submit(job)

    def open(self, task: str) -> None:
        """Let start what may of this task, which is paused no longer."""
        self.gate.open(task)
        self.simple.fill()

    def begun(self, job: Job) -> None:
        """A worker says that it runs the attempt."""
        self.gate.begun(job)

    def over(self, job: Job) -> None:
        """An attempt was committed as ended; what still runs in this process is under way until it really ends."""
        if job.n not in self.simple.running:
            self.gate.over(job)

    def cancelled(self, job: Job) -> None:
        """Tell whoever may be running it."""
        runner = self.queued if job.path == "queued" else self.simple
        if runner is not None:
            runner.cancelled(job)

    async def call_back(self, subject: str, headers: dict[str, str], body: bytes) -> str | None:
        """Publish how a job ended on a subject of NATS; returns why it was not taken, or None."""
        self.open_queue()
        if self.queued is None:
            return "there is no NATS any more"
        return await self.queued.call_back(subject, headers, body)

    def hand_over(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        """Results of jobs of ours that another web process was given; without a queue here yet they come again."""
        if self.queued is not None:
            self.queued.take(subject, reply, headers, data)

    def open_queue(self) -> Runner:
        """The runner of the queued path, connecting from now on; the simple one where there is no queue."""
        if self._open_queue is None:
            return self.simple
        if self.queued is None:
            self.queued = self._open_queue()  # the first time anything here touches nats
        return self.queued
