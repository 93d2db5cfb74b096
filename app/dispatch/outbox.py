"""The outbox: attempts on their way to the broker, published until it confirms them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from app.concurrency import Concurrency
from app.dispatch.places import LATE, LOOK_EVERY, Places
from app.jobs import ledger
from app.jobs.job import Job
from app.queue.connection import CONFIRM_SECONDS, Queue, QueueFull
from app.queue.wire import JobMessage
from app.store.store import StoreUnavailable

if TYPE_CHECKING:
    from app.dispatch.dispatch import Dispatch

log = structlog.get_logger()

GROUP = 128  # attempts published at once
KEEP = 1024  # attempts whose jobs are kept in memory; of the others only their names
LONGEST_PAUSE = 2.0  # seconds between two tries while the broker is away or refuses: the breaker
FALL_BACK = 10.0  # seconds after which an attempt on `auto` takes the simple path instead


@dataclass
class Entry:
    """One attempt, and since when it waits."""

    id: str
    attempt: int
    job: Job | None
    since: float = field(default_factory=time.monotonic)


class Outbox:
    """Publishes in groups; what is not confirmed is published again, and the broker drops what it has already."""

    def __init__(
        self, dispatch: Dispatch, concurrency: Concurrency, queue: Queue, message: Callable[[Job], JobMessage]
    ) -> None:
        self._dispatch, self._concurrency, self._queue, self._message = dispatch, concurrency, queue, message
        self._waiting = concurrency.mailbox()
        self._places = Places(GROUP, dispatch.late)
        self._closing = False
        self.refused = False  # the stream was full at the last try
        concurrency.spawn(self._run)

    def __len__(self) -> int:
        return self._waiting.qsize()

    def put(self, job: Job) -> None:
        """Publish this attempt as soon as the broker takes it."""
        self._waiting.put(Entry(job.id, job.attempt, job if len(self) < KEEP else None))

    def close(self) -> None:
        """Publish nothing more; the ledger knows what was not confirmed."""
        self._closing = True

    def _run(self) -> None:
        pause = 0.0
        while not self._closing:
            group: list[Entry] = [self._waiting.get()]
            while self._waiting.qsize() and len(group) < self._places.allowed():
                group.append(self._waiting.get())
            failed = self._publish(group)
            for entry in failed:
                self._again(entry)
            pause = min(max(0.1, pause * 2), LONGEST_PAUSE) if failed else 0.0
            if pause:
                time.sleep(pause)
            elif self._dispatch.late() > LATE:
                time.sleep(LOOK_EVERY)  # chat first: attempts wait in the ledger, where they are safe

    def _publish(self, group: list[Entry]) -> list[Entry]:
        """Publish a group; returns those to try again."""
        if not self._queue.connected:
            return group
        try:
            jobs = self._loaded(group)
            lanes = [self._dispatch.tasks[job.task].lane for job in jobs]
            messages = [(self._message(job), lane, job.trace) for job, lane in zip(jobs, lanes, strict=True)]
            places = self._concurrency.await_(self._queue.publish_jobs(messages), CONFIRM_SECONDS * 2)
        except (TimeoutError, StoreUnavailable) as error:
            log.warning("nothing published", error=str(error))
            return group
        failed = self._confirm(jobs, places)
        return [entry for entry in group if entry.id in failed]

    def _confirm(self, jobs: list[Job], places: list[int | Exception]) -> set[str]:
        """Note in the ledger what the broker has; returns the jobs it does not have."""
        errors = {job.id: place for job, place in zip(jobs, places, strict=True) if isinstance(place, Exception)}
        self.refused = any(isinstance(error, QueueFull) for error in errors.values())
        if errors:
            log.warning("not published", jobs=len(errors), error=str(next(iter(errors.values()))))
        there = [
            (job.id, job.attempt, place) for job, place in zip(jobs, places, strict=True) if isinstance(place, int)
        ]
        if there:
            self._dispatch.store.write_soon(lambda connection: ledger.published(connection, there))
        return set(errors)

    def _again(self, entry: Entry) -> None:
        """Back into the line, unless it waited too long and its flag lets it take the simple path."""
        if time.monotonic() - entry.since < FALL_BACK or not self._fall_back(entry):
            self._waiting.put(entry)

    def _fall_back(self, entry: Entry) -> bool:
        try:
            job = self._dispatch.store.read(lambda connection: ledger.find(connection, entry.id))
        except StoreUnavailable:
            return False
        if job is None or not self._dispatch.may_fall_back(job):
            return False
        self._dispatch.fall_back(job)
        return True

    def _loaded(self, group: list[Entry]) -> list[Job]:
        """The jobs of a group that are still wanted."""
        missing = [entry.id for entry in group if entry.job is None]
        found: dict[str, Job] = {}
        if missing:
            found = {job.id: job for job in self._dispatch.store.read(lambda c: ledger.find_all(c, missing))}
        jobs = [(entry.job or found.get(entry.id), entry.attempt) for entry in group]
        return [job for job, attempt in jobs if job is not None and self._wanted(job, attempt)]

    def _wanted(self, job: Job, attempt: int) -> bool:
        return not job.final and job.attempt == attempt and job.task in self._dispatch.tasks
