"""Running attempts in the web process: what they write is brought to the loop, and those nobody waits for are ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from app.contract import Outcome, failure
from app.jobs.executor import NOBODY, execute, report
from app.jobs.job import Job
from app.logs import about_job
from app.tasks import Task
from ml_clients import Stop

Post = Callable[..., None]  # calls a function on the loop


class Here:
    """Calls an attempt's task in the thread, or green thread, that calls this; `stop` and the rest is for the loop."""

    def __init__(
        self,
        tasks: Mapping[str, Task],
        links: Callable[[Job], dict[str, str]],
        deadline: Callable[[float], AbstractContextManager[None]],
        post: Post,
    ) -> None:
        self._tasks, self._links, self._deadline, self._post = tasks, links, deadline, post
        self._stops: dict[str, Stop] = {}
        self.wrote: Callable[[Job, int, int, str], None] = lambda job, attempt, offset, text: None
        self.progressed: Callable[[Job, int, str], None] = lambda job, attempt, progress: None

    def run(self, job: Job) -> Outcome:
        """How the attempt ended."""
        task = self._tasks.get(job.task)
        if task is None:
            return failure("unknown_task", f"there is no task {job.task} any more")
        stop = self._stops[job.id] = Stop()
        if job.final:  # cancelled just before
            stop.now()
        try:
            links = self._links(job) if "links" in task.given else None
            with about_job(job.id):
                hear = _Heard(self, self._post, job) if task.streams else NOBODY
                outcome = execute(task, job.args, links, self._deadline, hear, stop)
        finally:
            if self._stops.get(job.id) is stop:
                del self._stops[job.id]
        report(outcome, job.task, job.id, job.room)
        return outcome

    def stop(self, job: Job) -> None:
        """End the model's work for this job."""
        stop = self._stops.get(job.id)
        if stop is not None:
            stop.now()


class _Heard:
    """Hears what one attempt yields, in its thread."""

    def __init__(self, here: Here, post: Post, job: Job) -> None:
        self._here, self._post, self._job, self._attempt = here, post, job, job.attempt

    def wrote(self, offset: int, text: str) -> None:
        self._post(self._here.wrote, self._job, self._attempt, offset, text)

    def progressed(self, progress: str) -> None:
        self._post(self._here.progressed, self._job, self._attempt, progress)
