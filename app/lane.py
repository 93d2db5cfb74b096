"""A lane of a worker: threads that run its jobs one after the other, and what each run says meanwhile."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable

from app.contract import JobMessage, Outcome, failure
from app.jobs.executor import execute, report
from app.logs import about_job
from app.queue.deltas import Written
from app.queue.names import PROCESS
from app.queue.pull import Delivery, Pull
from app.tasks import Task
from ml_clients import Stop

MAX_PREFETCH = 500  # jobs a lane holds at most: what a killed worker holds comes back only after ACK_WAIT
AHEAD_SECONDS = 0.05  # a lane holds about as many jobs as it runs in so long


class Run:
    """One attempt that this worker holds, and every delivery of it. The thread that runs it calls `wrote` and `progressed`."""

    __slots__ = (
        *("announced", "deliveries", "ended", "first_piece", "lane", "message", "name", "process", "progress"),
        *("progress_at", "started", "stop", "task", "written"),
    )

    def __init__(
        self, lane: Lane, message: JobMessage, task: Task, delivery: Delivery, first_piece: Callable[[Run], None]
    ) -> None:
        """`first_piece` is called in the thread as soon as it has written something."""
        self.lane, self.message, self.task, self.first_piece = lane, message, task, first_piece
        self.deliveries = [delivery.reply]
        self.process = (delivery.header(PROCESS) or "") if delivery.headers else ""
        self.name = secrets.token_hex(8)  # a name of its own for each execution
        self.started: float | None = None  # set by the thread that runs it
        self.announced = self.ended = False
        self.stop = Stop()
        self.written = Written(message.task, message.id, message.attempt, self.name)
        self.progress: str | None = None  # that was not told yet
        self.progress_at = 0.0

    def wrote(self, offset: int, text: str) -> None:
        """As app/jobs/streamed.py has it."""
        self.written.text += text
        if not offset:
            self.first_piece(self)

    def progressed(self, progress: str) -> None:
        """As app/jobs/streamed.py has it."""
        self.progress = progress


class Lane:
    """The threads that serve one lane, and how far it pulls ahead of them."""

    def __init__(self, name: str, concurrency: int, done: queue.SimpleQueue[tuple[Run, Outcome]], wake: object) -> None:
        self.name, self.concurrency = name, concurrency
        self._done, self._wake = done, wake
        self.waiting: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self.pulls: dict[int, Pull] = {}  # by the number of their server
        self._servers = 1
        self._usual = 1.0  # seconds a run takes, as seen lately
        for _ in range(concurrency):
            threading.Thread(target=self._serve, daemon=True, name=name).start()

    def took(self, seconds: float) -> None:
        """Note how long a run took: quick ones are worth fetching ahead."""
        self._usual += (seconds - self._usual) * 0.1
        self.share_out(self._servers)

    def share_out(self, servers: int) -> None:
        """Of so many servers each is asked for its part: together they must not give much more than runs here."""
        self._servers = servers
        ahead = self.concurrency * AHEAD_SECONDS / max(self._usual, 1e-6)
        held = int(min(MAX_PREFETCH, self.concurrency + ahead))
        for pull in self.pulls.values():
            pull.max_in_flight = -(-held // servers)

    def _serve(self) -> None:
        while (run := self.waiting.get()) is not None:
            if run.ended:
                continue
            run.started = time.monotonic()
            message = run.message
            try:
                with about_job(message.id):
                    outcome = execute(run.task, bytes(message.args), message.links, hear=run, stop=run.stop)
                report(outcome, message.task, message.id, message.room)
            except BaseException as error:  # such as SystemExit from a task: its thread must go on
                outcome = failure("task_error", repr(error))
            self._done.put((run, outcome))
            self._wake()  # type: ignore[operator]  # a function
