"""What is said of runs while they go on: that one began, how far it has come, how its text goes on, that it died."""

from __future__ import annotations

from asyncio import Future
from functools import partial
from typing import Any

import msgspec

from app.contract import Outcome, failure
from app.effects import Effects, Receipt
from app.jobs import runs
from app.jobs.job import INTERRUPTED, MAX_DEATHS, Job
from app.jobs.life import Life
from app.jobs.memory import Memory
from app.jobs.settling import Settle
from app.jobs.texts import Texts
from app.jobs.transitions import Note
from app.rooms import Room

MAX_STRANGERS = 10_000  # jobs remembered that are not looked up again for each piece of their text

_read_run = msgspec.json.Decoder(tuple[str, int]).decode


class Reported(Memory):
    """The part of a job's life that workers, and attempts in this process, report."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.texts = Texts(self._life, self._loop, self.store.add)
        self._strangers: dict[str, None] = {}  # jobs at workers that are not ours, or over; the newest last

    @property
    def _life(self) -> Life:
        """What it is a part of: app/jobs/lifecycle.py has the rest."""
        return self  # type: ignore[return-value]

    def lose(self, room: Room) -> None:
        """As Memory."""
        for job in room.jobs.values():
            self.texts.forget(job)
        super().lose(room)

    def settle(self, job: Job, attempt: int, outcome: Outcome, receipt: Receipt | None = None) -> None:
        """Commit how an attempt ended."""
        raise NotImplementedError

    def announced(self, id: str, attempt: int, run: str, progress: str | None) -> None:
        """A worker says that a run goes on."""
        job = self.jobs.get(id)
        if job is not None:
            self._announced(job, attempt, run, progress)
        else:
            self.when_loaded(id, lambda job: self._announced(job, attempt, run, progress))

    def _announced(self, job: Job, attempt: int, run: str, progress: str | None) -> None:
        if progress is None:
            self.store.add(Note(self._life, job, attempt, run, None))
        else:
            note = partial(self._note, attempt, run)
            self.texts.progressed(job, attempt, progress, note)

    def _note(self, attempt: int, run: str, job: Job, progress: str) -> None:
        self.store.add(Note(self._life, job, attempt, run, progress))

    def wrote(self, id: str, attempt: int, run: str, offset: int, piece: str) -> None:
        """A worker says how the text of a run goes on."""
        job = self.jobs.get(id)
        if job is not None:
            self._wrote(job, attempt, run, offset, piece)
        elif id not in self._strangers:
            self._strangers[id] = None
            if len(self._strangers) > MAX_STRANGERS:
                del self._strangers[next(iter(self._strangers))]
            self.when_loaded(id, lambda job: self._wrote(job, attempt, run, offset, piece))

    def _wrote(self, job: Job, attempt: int, run: str, offset: int, piece: str) -> None:
        self._strangers.pop(job.id, None)
        if self.texts.find(job) is None:
            self.announced(job.id, attempt, run, None)  # the first word of a run
        self.texts.wrote(job, attempt, offset, piece, run)

    def progressed(self, job: Job, attempt: int, progress: str) -> None:
        """An attempt here has come so far."""
        self.texts.progressed(job, attempt, progress, self._show_progress)

    def _show_progress(self, job: Job, progress: str) -> None:
        job.progress = progress
        if self._announcer.is_known(job):
            self._announcer.show([job])

    def died(self, job: Job) -> None:
        """A run that had begun never ended; after a few, the job counts as poison."""
        if job.deaths >= MAX_DEATHS:
            self.settle(job, job.attempt, failure("poison", f"{job.deaths} workers ended while they ran it"))

    def show_first(self, effects: Effects, job: Job) -> None:
        """Show a job of whose text people are about to see a piece, unless they have seen it."""
        if not (self._announcer.is_known(job) or job.final):
            self._announcer.is_known(job, from_now_on=True)
            effects.show_job(self.rooms[job.room], job)

    def is_over(self, id: str, said: bytes) -> bool | Future[bool]:
        """Whether a worker need not run this job: it is cancelled, or over, or has another attempt now.

        `said` is `["RUN", ATTEMPT]` when the worker was given the job again: word that a run begins, which cannot come
        too late.
        """
        job = self.jobs.get(id)
        if said and job is not None and self.texts.find(job) is not None and self._is_another_run(job, said):
            return self._begin_anew(job)
        if said:
            self._run_begins(id, job, said)
        if job is None or self.store.writer.is_writing:
            return False  # what memory says may not come true; a run in vain does no harm
        return job.final or job.deaths >= MAX_DEATHS

    def _begin_anew(self, job: Job) -> Future[bool]:
        """People have seen a part of this attempt's text, and whoever wrote it is gone: the next is another attempt."""
        done: Future[Job] = self._loop.create_future()
        lost = failure(INTERRUPTED, "the worker ended while this ran", retryable=True)
        self.store.add(Settle(self._life, job, job.attempt, lost, waiter=done))
        over: Future[bool] = self._loop.create_future()
        done.add_done_callback(lambda _: over.set_result(True))
        return over

    @staticmethod
    def _is_another_run(job: Job, said: bytes) -> bool:
        try:
            run, attempt = _read_run(said)
        except msgspec.MsgspecError:
            return False
        return not job.final and job.attempt == attempt and runs.is_a_death(job, run)

    def _run_begins(self, id: str, job: Job | None, said: bytes) -> None:
        try:
            run, attempt = _read_run(said)
        except msgspec.MsgspecError:
            return
        died = job is not None and not job.final and job.attempt == attempt and runs.is_a_death(job, run)
        if job is not None and died and job.deaths + 1 >= MAX_DEATHS:
            job.deaths += 1  # counted now, so that it is not run again
            self.died(job)
        else:
            self.announced(id, attempt, run, None)
