"""A worker: takes jobs of its lanes from the queue, runs them in threads, publishes results, then acknowledges.

Plain asyncio and threads; no Flask, no eventlet, no database. It never retries by itself: what follows an outcome is
decided by the web process.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click
import msgspec
import structlog

import ml_clients
from app import logs, streams
from app import tasks as declared
from app.contract import Doing, JobMessage, Outcome, ResultMessage, WorkerDoing, failure
from app.data_dir import say_ready
from app.ids import process_name
from app.jobs.executor import GRACE_SECONDS
from app.jobs.job import STOPPED
from app.lane import Lane, Run
from app.loops import Loops
from app.queue.connection import Queue
from app.queue.deltas import DeltaSender
from app.queue.pull import Delivery, server_of
from app.queue.results import Results
from app.queue.servers import Servers
from app.queue.wire import Undecodable, read_job
from app.set_clock import SetClock
from app.settings import SettingInvalid, Settings, from_env
from app.stopping import stop_signals
from app.tasks import Task
from ml_clients import llm
from ml_clients.priority import step_back

log = structlog.get_logger()

CONCURRENCY = 8  # jobs at once in each lane
STREAMS_PER_PLACE = 8  # as many times as many in a lane of tasks whose text grows: they wait, and compute nothing
MAX_ANSWERED = 10_000  # attempts remembered: a worker that was stopped for a while finds many given again
GIVE_BACK_SECONDS = 3.0  # to give back what did not finish in time; what is not comes back after ACK_WAIT
ANNOUNCE_SECONDS = 0.05  # until the room is told that a job runs: most are done by then
TELL_SECONDS = 2.0  # between two words on what is done here
MAX_TOLD = 1000  # jobs in one of them: what a worker does not name is given again after a pause
TICK_SECONDS = 0.028  # between two looks at what runs; each second one sends what is new of a text
PROGRESS_SECONDS = 0.25  # at least between two words on how far a run has come
NOT_SERVED_SECONDS = (
    5.0  # until a job whose task this worker does not know is offered again (a deploy may be under way)
)


class Worker:
    """Serves lanes until it is told to stop."""

    def __init__(
        self, settings: Settings, tasks: Mapping[str, Task], lanes: list[str], concurrency: int, ready: Path | None
    ) -> None:
        self._settings, self._tasks, self._ready, self._concurrency = settings, tasks, ready, concurrency
        self._loop = asyncio.get_running_loop()
        self._loops = Loops(self._loop)
        lanes_of_tasks = sorted({task.lane for task in tasks.values()})
        self._queue = Servers(settings, lanes_of_tasks, log.info, loops=self._loops)
        self._results = Results(self._loop, self._queue)
        self._deltas = DeltaSender(self._queue)
        self._done: queue.SimpleQueue[tuple[Run, Outcome]] = queue.SimpleQueue()
        self._woken = False
        self._lanes = {name: Lane(name, self._places(name), self._done, self._wake) for name in lanes}
        self._runs: dict[tuple[str, int], Run] = {}
        self._answered: dict[tuple[str, int], None] = {}  # attempts whose results are stored, the oldest first
        self._idle = asyncio.Event()
        self._cancelled: set[str] = set()
        self._listening_since: dict[int, float] = {}  # by server: when it began to hear of cancelled jobs
        self._is_ready = self._ticking = False
        self._name = process_name()
        self._clock = SetClock()

    def _places(self, lane: str) -> int:
        """How many jobs of this lane run at once: more where all of them only wait for a model that streams."""
        wait_only = all(task.streams for task in self._tasks.values() if task.lane == lane)
        return self._concurrency * STREAMS_PER_PLACE if wait_only else self._concurrency

    async def run(self) -> None:
        """Connect, serve, and drain on SIGTERM or SIGINT."""
        asked = asyncio.Event()
        for number in stop_signals():
            self._loop.add_signal_handler(number, asked.set)
        connecting = [
            self._loops.keep(f"connection {queue.number}", partial(self._connect, queue)) for queue in self._queue.all
        ]
        await asked.wait()
        for stop in connecting:
            stop()
        await self._drain()
        for number in stop_signals():  # whoever asks again now must not make a graceful end look like a failed one
            self._loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    async def _connect(self, queue: Queue) -> None:
        """Connect and begin to take jobs; tried again where it failed, and then each step is made once."""
        # Where only the web process may make the streams, the broker has nothing to give until then: it is asked each second.
        await queue.connect(owns_streams=False)
        if queue.number not in self._listening_since:
            await queue.hear_cancelled(self._hear_cancelled)
            await queue.hear_paused(self._hear_paused)
            await queue.answer_texts(self._answer_text)
            self._listening_since[queue.number] = time.time()
            queue.on_reconnect, queue.on_cut = self._reconnected, self._share_out
        self._look_after_runs()
        for lane in self._lanes.values():
            if queue.number not in lane.pulls:
                lane.pulls[queue.number] = await queue.pull(
                    self._queue.names.jobs,
                    self._queue.names.consumer(lane.name),
                    lane.concurrency,
                    partial(self._take, lane),
                )
        self._share_out()
        if not self._is_ready:
            self._is_ready = True
            say_ready(self._ready)
            print(f"worker ready lanes={','.join(self._lanes)} concurrency={self._concurrency}", flush=True)

    def _look_after_runs(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._loops.tick(TICK_SECONDS, "tick", self._tick)
            self._loops.tick(TELL_SECONDS, "doing", self._tell)
            self._loops.tick(self._settings.ack_wait / 3, "heartbeat", self._beat)

    def _reconnected(self) -> None:
        self._results.publish_again()
        self._share_out()

    def _share_out(self) -> None:
        """Each server that is there is asked for its part of what is run here."""
        there = len(self._queue.reachable)
        for lane in self._lanes.values():
            lane.share_out(max(1, there))

    # One delivery: bad input first, then run it, then publish its result, and only then acknowledge

    def _take(self, lane: Lane, delivery: Delivery) -> None:
        try:
            message = read_job(delivery.data)
            left = self._clock.seconds_until(message.deadline, delivery.at)
        except (Undecodable, ValueError) as error:
            log.warning("job cannot be read", subject=delivery.subject.decode("utf-8", "replace"), error=str(error))
            self._queue.bury(delivery, self._queue.names.jobs, str(error))
            self._free(lane, [delivery.reply])
            return
        known = self._runs.get((message.id, message.attempt))
        task = self._tasks.get(message.task)
        if known is not None:  # delivered again while it runs here: that run answers for both
            known.deliveries.append(delivery.reply)
        elif (message.id, message.attempt) in self._answered:  # given again before its acknowledgement arrived
            self._queue.ack([delivery.reply])
            self._free(lane, [delivery.reply])
        elif left < 0:
            self._answer(lane, message, delivery, failure("deadline", "it came to a worker after its deadline"))
        elif task is None:
            self._queue.nak(delivery, min(NOT_SERVED_SECONDS, left))
            self._free(lane, [delivery.reply])
        elif message.id in self._cancelled:
            self._cancelled.discard(message.id)
            self._answer(lane, message, delivery, Outcome(state="cancelled"))
        else:
            self._begin(Run(lane, message, task, delivery, self._hear_first_piece), delivery)

    def _begin(self, run: Run, delivery: Delivery) -> None:
        self._runs[run.message.id, run.message.attempt] = run
        self._idle.clear()
        if delivery.delivered > 1 or delivery.at < self._listening_since.get(server_of(delivery.reply)[0], 0.0):
            self._loop.create_task(self._ask_then_run(run, again=delivery.delivered > 1))
        else:
            run.lane.waiting.put(run)

    async def _ask_then_run(self, run: Run, again: bool) -> None:
        """Ask whether the job is over first: its word may have been missed, or it may be one that kills its workers."""
        said = f'["{run.name}",{run.message.attempt}]'.encode() if again else b""
        run.announced = again
        if await self._queue.ask_cancelled(run.message.id, said, run.process, run.deliveries[0]):
            self._end(run, Outcome(state="cancelled"))
        else:
            run.lane.waiting.put(run)

    def _answer(self, lane: Lane, message: JobMessage, delivery: Delivery, outcome: Outcome) -> None:
        """Answer a job that is not run."""
        task = self._tasks.get(message.task) or next(iter(self._tasks.values()))
        self._end(Run(lane, message, task, delivery, self._hear_first_piece), outcome)

    def _end(self, run: Run, outcome: Outcome) -> None:
        """Publish how a run ended; its deliveries are acknowledged once that is stored."""
        if run.ended:
            return
        run.ended = True
        self._deltas.send(run.written)  # before the result, so that nobody has to ask for it
        message = run.message
        result = ResultMessage(
            job=message.id, attempt=message.attempt, run=run.name, state=outcome.state,  # type: ignore[arg-type]
            error=outcome.error, ms=outcome.ms,
        )  # fmt: skip
        self._results.put(
            message.task,
            result,
            outcome.result,
            lambda: self._acknowledge(run),
            run.process,
            server_of(run.deliveries[0])[0],
        )

    def _acknowledge(self, run: Run) -> None:
        self._queue.ack(run.deliveries)
        self._free(run.lane, run.deliveries)
        if self._runs.get((run.message.id, run.message.attempt)) is run:
            del self._runs[run.message.id, run.message.attempt]
        self._answered[run.message.id, run.message.attempt] = None
        if len(self._answered) > MAX_ANSWERED:
            del self._answered[next(iter(self._answered))]
        if not self._runs:
            self._idle.set()

    @staticmethod
    def _free(lane: Lane, replies: list[bytes]) -> None:
        for reply in replies:
            lane.pulls[server_of(reply)[0]].free()

    # What runs

    def _wake(self) -> None:
        """From a thread: something is done. One wake-up serves all that end until it is heard."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        self._woken = False  # first: what ends from here on wakes again
        while not self._done.empty():
            run, outcome = self._done.get()
            run.lane.took((outcome.ms or 0.0) / 1000)
            self._end(run, outcome)

    def _hear_first_piece(self, run: Run) -> None:
        """From a thread: people wait for the first piece most."""
        self._loop.call_soon_threadsafe(self._deltas.send, run.written)

    def _answer_text(self, job: str, asked: bytes) -> bytes | None:
        """What was written here of a job whose result is not stored yet."""
        return self._deltas.answer((run.written for run in self._runs.values()), job, asked)

    def _hear_cancelled(self, job: str) -> None:
        """Nobody waits for this job any more: its model is let go at once."""
        self._cancelled.add(job)
        for run in [run for run in self._runs.values() if run.message.id == job and not run.ended]:
            self._cancelled.discard(job)
            run.stop.now()
            self._end(run, Outcome(state="cancelled"))

    def _hear_paused(self, task: str) -> None:
        """Let go of what has not begun of this task: the web process has taken it back."""
        self._let_go([run for run in self._runs.values() if run.message.task == task])

    def _let_go(self, runs: list[Run]) -> None:
        for run in [run for run in runs if run.started is None and not run.ended]:
            run.ended = True  # not begun: somebody else runs it
            self._queue.answer(run.deliveries, b"-NAK")
            del self._runs[run.message.id, run.message.attempt]
            self._free(run.lane, run.deliveries)

    def _tick(self) -> None:
        """Announce what takes a while, and end what takes too long."""
        now = time.monotonic()
        for run in list(self._runs.values()):
            if run.started is None or run.ended:
                continue
            if not run.announced and now - run.started > ANNOUNCE_SECONDS:
                run.announced = True
                self._results.announce(run.message.task, run.message.id, run.message.attempt, run.name, run.process)
            self._tell_how_far(run, now)
            if now - run.started > run.task.timeout + GRACE_SECONDS:
                # The thread cannot be stopped; its answer is dropped, and it keeps its place until it ends.
                run.stop.now()
                self._end(run, failure("timeout", f"not done within {run.task.timeout:g} s", retryable=True))
        self._results.check()
        self._clock.look()

    def _tell_how_far(self, run: Run, now: float) -> None:
        self._deltas.send_due(run.written, now)
        if run.progress is not None and now - run.progress_at >= PROGRESS_SECONDS:
            progress, run.progress, run.progress_at = run.progress, None, now
            about = run.message
            self._results.announce(about.task, about.id, about.attempt, run.name, run.process, progress)

    def _tell(self) -> None:
        """Say what is done here right now."""
        now, running = time.monotonic(), list[Doing]()
        for run in self._runs.values():
            if run.started is not None and len(running) < MAX_TOLD:
                about = run.message
                running.append(Doing(about.id, about.task, about.room, round(now - run.started, 1)))
        doing = WorkerDoing(self._name, list(self._lanes), self._concurrency, running)
        said = msgspec.json.encode(doing)
        self._queue.tell_all(lambda queue: queue.tell_doing(self._name, said))

    def _beat(self) -> None:
        """Say that everything held here is still being worked on."""
        replies = [reply for run in self._runs.values() for reply in run.deliveries]
        if replies:
            self._queue.heartbeat(replies)

    async def _drain(self) -> None:
        """Take nothing more, let jobs finish, give back those that take too long."""
        for lane in self._lanes.values():
            for pull in lane.pulls.values():
                await pull.stop()
        self._let_go(list(self._runs.values()))
        await self._until_idle(self._settings.drain_seconds)
        for run in list(self._runs.values()):
            self._end(run, failure(STOPPED, "the worker was stopped while this ran", retryable=True))
        await self._until_idle(GIVE_BACK_SECONDS)
        await self._queue.close()

    async def _until_idle(self, seconds: float) -> None:
        if self._runs:
            self._idle.clear()
            try:
                await asyncio.wait_for(self._idle.wait(), seconds)
            except TimeoutError:
                return  # what is left is given back, or comes back by itself


async def serve(
    settings: Settings, tasks: Mapping[str, Task], lanes: list[str], concurrency: int, ready: Path | None
) -> None:
    """Run a worker."""
    await Worker(settings, tasks, lanes, concurrency, ready).run()


@click.command()
@click.option("--lanes", help="comma-separated; default: every lane of the tasks in app/tasks")
@click.option(
    "--concurrency",
    default=CONCURRENCY,
    type=click.IntRange(1, 1000),
    show_default=True,
    help="jobs at once in each lane",
)
@click.option("--ready-file", type=click.Path(path_type=Path), help="gets its process ID once jobs are taken")
def main(lanes: str | None, concurrency: int, ready_file: Path | None) -> None:
    """Serve jobs from the queue until told to stop."""
    streams.never_block()
    try:
        settings = from_env()
    except SettingInvalid as error:
        raise click.ClickException(str(error)) from None
    if not settings.nats_url:
        raise click.ClickException("NATS_URL is empty: a worker needs a queue, such as nats://127.0.0.1:4222")
    logs.set_up(settings.log_format, settings.log_level)
    try:
        tasks = declared.discover()
    except declared.TaskDeclarationInvalid as error:
        click.echo(error, err=True)
        sys.exit(2)  # as for a setting: starting again would not help
    known = sorted({task.lane for task in tasks.values()})
    chosen = lanes.split(",") if lanes else known
    if not set(chosen) <= set(known):
        raise click.ClickException(f"--lanes {lanes}: the tasks here have lanes {','.join(known)}")
    ml_clients.configure(settings.ml_url)
    llm.configure(settings.llm_url, settings.llm_model, settings.llm_key, settings.llm_context)
    step_back(settings.niceness)
    asyncio.run(serve(settings, tasks, chosen, concurrency, ready_file))
    streams.flush()
    # Threads that still run a job given back above would keep the interpreter from ending.
    os._exit(0)


if __name__ == "__main__":
    main()
