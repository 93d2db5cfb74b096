"""Who is next of those that wait: what somebody asked for before what starts by itself, and of each the tasks in turn."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from app.jobs.job import Job

MAX_GONE = 1000  # places kept of attempts that wait no longer

_Lines = dict[str, deque[tuple[Job, int]]]  # attempts by task; the task whose turn is next comes first


class Turns:
    """Attempts that wait, so that no task's backlog stands in the way of another's."""

    def __init__(self) -> None:
        self._asked: _Lines = {}
        self._by_themselves: _Lines = {}
        self._attempts: dict[str, tuple[int, str]] = {}  # and their path, by ID of their job
        self._of_path: Counter[str] = Counter()
        self._gone = 0  # places in lines of attempts that wait no longer

    def __len__(self) -> int:
        return len(self._attempts)

    def put(self, job: Job) -> None:
        """Wait behind those of the same task and kind."""
        lines = self._asked if job.key is not None else self._by_themselves
        lines.setdefault(job.task, deque()).append((job, job.attempt))
        self._forget(job.id)
        self._attempts[job.id] = job.attempt, job.path
        self._of_path[job.path] += 1

    def count(self, path: str | None) -> int:
        """How many wait that are to take this path; in all, where none is named."""
        return len(self._attempts) if path is None else self._of_path[path]

    def has(self, job: Job) -> bool:
        """Whether this attempt waits here."""
        return self._attempts.get(job.id, (0, ""))[0] == job.attempt

    def next(self, may: Callable[[str], bool]) -> Job | None:
        """The next of a task that may start, which waits no longer; those that were cancelled or moved on are dropped."""
        for lines in (self._asked, self._by_themselves):
            for task in list(lines):
                if may(task) and (found := self._next_of(lines, task)) is not None:
                    return found
        return None

    def drop(self, job: Job) -> None:
        """It waits no longer, wherever it stands: it was cancelled, or has failed."""
        if not self.has(job):
            return
        self._forget(job.id)
        self._gone += 1
        if self._gone > MAX_GONE and self._gone > len(self._attempts):
            self._sweep()

    def any_may(self, may: Callable[[str], bool]) -> bool:
        """Whether one waits that may start."""
        return any(may(task) for lines in (self._asked, self._by_themselves) for task in lines)

    def clear(self) -> None:
        """Nobody waits any more."""
        self._asked.clear()
        self._by_themselves.clear()
        self._attempts.clear()
        self._of_path.clear()

    def _sweep(self) -> None:
        """Give back the places of those that are gone."""
        self._gone = 0
        for lines in (self._asked, self._by_themselves):
            for task, line in list(lines.items()):
                lines[task] = deque(each for each in line if self._attempts.get(each[0].id, (0, ""))[0] == each[1])

    def _forget(self, id: str) -> None:
        known = self._attempts.pop(id, None)
        if known is not None:
            self._of_path[known[1]] -= 1

    def _next_of(self, lines: _Lines, task: str) -> Job | None:
        line = lines.pop(task)
        while line:
            job, attempt = line.popleft()
            if self._attempts.get(job.id, (0, ""))[0] == attempt:
                self._forget(job.id)
            if job.state == "accepted" and job.attempt == attempt:
                if line:
                    lines[task] = line  # behind the other tasks now
                return job
        return None
