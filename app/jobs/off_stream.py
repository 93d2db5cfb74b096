"""Runs whose message is off the stream: the broker gives them to nobody else when their worker dies, so we do.

It came off while they ran, for a pause, or it is on a server that stays away. Workers tell what they run every two seconds.
"""

from __future__ import annotations

from collections.abc import Callable

from app.contract import failure
from app.jobs.held_back import HeldBack
from app.jobs.job import STOPPED, Job
from app.jobs.lifecycle import Lifecycle

LOOK_SECONDS = 2.0
SILENT_SECONDS = 8.0  # for which no worker has named a run, after which it counts as gone


class OffStream:
    """Notices which of them no worker runs any more. On the loop."""

    def __init__(self, life: Lifecycle, held_back: HeldBack, is_paused: Callable[[str], bool]) -> None:
        self._life, self._held_back, self._is_paused = life, held_back, is_paused
        self._named: dict[str, float] = {}  # by ID of the job: when a worker named it last, on the loop's clock

    async def look(self) -> None:
        """Give out again what is gone and not paused; to be called every LOOK_SECONDS."""
        now, runs = self._life.now(), [job for job in self._life.jobs.values() if is_off_stream(job)]
        self._named = {job.id: self._named.get(job.id, now) for job in runs}
        if runs:
            self._note_named(now)
        for job in runs:
            if now - self._named[job.id] > SILENT_SECONDS and not self._is_paused(job.task):
                self._give_again(job)

    def _note_named(self, now: float) -> None:
        queue = self._life.routing.queued
        if queue is None:
            return
        if not queue.ready():  # nobody can be heard
            self._named = dict.fromkeys(self._named, now)
        for worker in queue.workers():
            self._named.update((doing.job, now) for doing in worker.running if doing.job in self._named)

    def _give_again(self, job: Job) -> None:
        """Where people have seen a part of its text, as another attempt, whose text begins anew."""
        if self._life.texts.find(job) is None:
            self._held_back.launch([job])
        else:
            lost = failure(STOPPED, "no worker is heard to run it any more", retryable=True)
            self._life.settle(job, job.attempt, lost)


def is_off_stream(job: Job) -> bool:
    """Whether it runs at a worker, and the broker does not have this attempt."""
    return job.state == "running" and job.path == "queued" and job.published < job.attempt
