"""A worker: takes jobs of its lanes from the queue, runs them in threads, publishes results, then acknowledges.

Plain asyncio and a thread pool; no Flask, no eventlet, no database. It never retries by itself: what follows an
outcome is decided by the web process.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import structlog

import ml_clients
from app import logs
from app import tasks as declared
from app.jobs.executor import GRACE, execute
from app.jobs.job import STOPPED, JobError, Outcome
from app.queue.connection import Queue, QueueFull, QueueUnavailable
from app.queue.pull import Delivery, Pull
from app.queue.wire import JobMessage, ResultMessage, Undecodable, WireError, decode
from app.settings import SettingInvalid, Settings, from_env
from app.tasks import Task
from ml_clients.priority import step_back

log = structlog.get_logger()

CONCURRENCY = 8  # jobs at once in each lane
POISON = 3  # deliveries after which a job counts as one that kills its workers; `make run` ends at five deaths
GIVE_BACK = 3.0  # seconds to give back what did not finish in time; what is not comes back after ACK_WAIT
TELL_AFTER = 0.05  # seconds until the room is told that a job runs: most are done by then
UNKNOWN_AGAIN = 2.0  # seconds until a task this worker does not know is offered to another (a deploy may be under way)


class Worker:
    """Serves lanes until it is told to stop."""

    def __init__(
        self, settings: Settings, tasks: Mapping[str, Task], lanes: list[str], concurrency: int, ready: Path | None
    ) -> None:
        self._ready = ready
        self._settings, self._tasks, self._lanes, self._concurrency = settings, tasks, lanes, concurrency
        self._queue = Queue(settings, sorted({task.lane for task in tasks.values()}), log.info)
        self._pools = {lane: ThreadPoolExecutor(concurrency, thread_name_prefix=lane) for lane in lanes}
        self._running: set[asyncio.Task[None]] = set()
        self._cancelled: set[str] = set()
        self._listening_since = time.time()
        self._pulls: list[Pull] = []

    async def run(self) -> None:
        """Connect, serve, and drain on SIGTERM or SIGINT."""
        asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, asked.set)
        connecting = asyncio.create_task(self._connect())
        await asked.wait()
        connecting.cancel()
        await self._drain()

    async def _connect(self) -> None:
        await self._queue.connect()
        await self._queue.hear_cancelled(self._cancelled.add)
        self._listening_since = time.time()
        for lane in self._lanes:
            self._pulls.append(await self._queue.pull(self._queue.names.jobs, lane, self._concurrency, self._take))
        if self._ready is not None:
            self._ready.touch()
        print(f"worker ready lanes={','.join(self._lanes)} concurrency={self._concurrency}", flush=True)

    def _take(self, delivery: Delivery) -> None:
        handling = asyncio.create_task(self._handle(delivery))
        self._running.add(handling)
        handling.add_done_callback(self._running.discard)

    async def _handle(self, delivery: Delivery) -> None:
        """One delivery's life: bad input first, then run it, then publish its result, and only then acknowledge."""
        try:
            message = decode(delivery.data, JobMessage)
        except Undecodable as error:
            log.warning("job cannot be read", subject=delivery.subject, error=str(error))
            await self._queue.bury(delivery, self._queue.names.jobs, str(error))
            return
        task = self._tasks.get(message.task)
        if task is None and delivery.delivered < POISON:
            await delivery.nak(UNKNOWN_AGAIN)
            return
        beating = asyncio.create_task(self._beat(delivery))
        try:
            ended = await self._outcome(message, task, delivery)
        except asyncio.CancelledError:  # told to stop, and out of time
            ended = secrets.token_hex(8), _failure(STOPPED, "the worker was stopped while this ran", retryable=True)
        try:
            await self._publish(message, ended)
            await delivery.ack()
        finally:
            beating.cancel()

    async def _outcome(self, message: JobMessage, task: Task | None, delivery: Delivery) -> tuple[str, Outcome]:
        """The run's name and how it ended; poison is recognised before it can kill once more."""
        run = secrets.token_hex(8)
        if task is None:
            return run, _failure("unknown_task", f"no worker knows task {message.task}")
        if delivery.delivered > POISON:
            return run, _failure("poison", f"{delivery.delivered - 1} workers ended while they ran it")
        if await self._is_cancelled(message.id, delivery):
            return run, Outcome(state="cancelled")
        pool = self._pools[task.lane] if task.lane in self._pools else next(iter(self._pools.values()))
        running = asyncio.get_running_loop().run_in_executor(pool, execute, task, message.args, message.links)
        await asyncio.wait({running}, timeout=TELL_AFTER)
        if not running.done():
            word = ResultMessage(job=message.id, attempt=message.attempt, run=run, state="running")
            await self._queue.tell(message.task, word)
        try:
            return run, await asyncio.wait_for(asyncio.shield(running), task.timeout + GRACE)
        except TimeoutError:
            # The thread cannot be stopped; its answer is dropped, and it keeps its place in the pool until it ends.
            return run, _failure("timeout", f"not done within {task.timeout:g} s", retryable=True)

    async def _is_cancelled(self, job: str, delivery: Delivery) -> bool:
        """What was put on the stream since we listen we would have heard of; of older jobs we ask."""
        if job in self._cancelled:
            self._cancelled.discard(job)
            return True
        return delivery.at < self._listening_since and await self._queue.ask_cancelled(job)

    async def _publish(self, message: JobMessage, ended: tuple[str, Outcome]) -> None:
        """Publish a result for as long as it takes: one that the stream refuses is never acked away."""
        run, outcome = ended
        error = outcome.error
        result = ResultMessage(
            job=message.id,
            attempt=message.attempt,
            run=run,
            state=outcome.state,  # type: ignore[arg-type]  # the executor ends in succeeded or failed
            result=outcome.result,
            error=WireError(
                code=error.code, message=error.message, retryable=error.retryable, retry_after=error.retry_after
            )
            if error
            else None,
            ms=outcome.ms,
        )
        pause = 0.1
        while True:
            try:
                await self._queue.publish_result(message.task, result)
                return
            except (QueueUnavailable, QueueFull) as why:
                log.warning("result not published yet", job=message.id, error=str(why))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    async def _beat(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(self._settings.ack_wait / 3)
            await delivery.heartbeat()

    async def _drain(self) -> None:
        """Take nothing more, let jobs finish, give back those that take too long."""
        for pull in self._pulls:
            await pull.stop()
        if self._running:
            await asyncio.wait(self._running, timeout=self._settings.drain_seconds)
        for handling in self._running:
            handling.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=GIVE_BACK)
        await self._queue.close()


def _failure(code: str, message: str, retryable: bool = False) -> Outcome:
    return Outcome(state="failed", error=JobError(code, message, retryable))


@click.command()
@click.option("--lanes", help="comma-separated; default: every lane of the tasks in app/tasks")
@click.option(
    "--concurrency",
    default=CONCURRENCY,
    type=click.IntRange(1, 1000),
    show_default=True,
    help="jobs at once in each lane",
)
@click.option("--ready-file", type=click.Path(path_type=Path), help="made once jobs are taken, for whoever supervises")
def main(lanes: str | None, concurrency: int, ready_file: Path | None) -> None:
    """Serve jobs from the queue until told to stop."""
    try:
        settings = from_env()
    except SettingInvalid as error:
        raise click.ClickException(str(error)) from None
    if not settings.nats_url:
        raise click.ClickException("NATS_URL is empty: a worker needs a queue, such as nats://127.0.0.1:4222")
    logs.set_up(settings.log_format, settings.log_level)
    tasks = declared.discover()
    known = sorted({task.lane for task in tasks.values()})
    chosen = lanes.split(",") if lanes else known
    if not set(chosen) <= set(known):
        raise click.ClickException(f"--lanes {lanes}: the tasks here have lanes {','.join(known)}")
    ml_clients.configure(settings.ml_url)
    step_back()
    asyncio.run(Worker(settings, tasks, chosen, concurrency, ready_file).run())
    sys.stdout.flush()
    # Threads that still run a job given back above would keep the interpreter from ending.
    os._exit(0)


if __name__ == "__main__":
    main()
