"""The runs of a comparison: one run against a fresh system, and all of them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
import psutil

from app.compare.driver import AllFinal, Assignment, Connected, DriverMessage, Observed, Progress
from app.compare.figures import figures
from app.compare.samples import JobTimes, Report, Run, VariantFigures
from app.compare.system import Meter, RunFailed, System, machine, variant_system
from app.compare.workload import FILLABLE_ARGUMENTS, Arrival, Workload, arrivals, conversation_texts, senders
from app.tasks import Task, on_message

DRIVER_PROCESSES = 2
NO_PROGRESS_SECONDS = 75.0  # seconds without any news after which jobs count as lost: longer than one attempt may take
START_DELAY_SECONDS = 1.0  # seconds from the word to the first arrival
KILL_AT_SHARE = 0.4  # of a run's time, when something is killed in it: its effects are seen in the same run
MAX_LINE_BYTES = 1 << 30  # of one message of a driver

STEPS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of the workload's rate
STEP_SECONDS = 15.0  # at most: a step looks for the load that breaks a bound, not for rare events
OVERLOAD_FACTOR = 2.0  # times the highest load whose bounds held
OnProgress = Callable[[int, int, int], None]  # messages and requests answered, jobs final, jobs expected at least
OnDriverProgress = Callable[[int, int], None]
Disturb = Callable[[float], Coroutine[Any, Any, float | None]]  # from the beginning of the load; see _disturb
T = TypeVar("T")
M = TypeVar("M", Connected, AllFinal, Observed)


@dataclass(frozen=True)
class Plan:
    """One run that is to be made."""

    variant: str
    repeat: int
    kind: str = "load"
    factor: float = 1.0
    seconds: float | None = None  # None: as long as the workload


@dataclass(frozen=True)
class Experiment:
    """What all runs of a comparison have in common."""

    workload: Workload
    folder: Path  # of the workload's file
    tasks: Mapping[str, Task]
    seed: int
    models: str
    topology: str = "one"  # or cluster


async def measure(plan: Plan, experiment: Experiment, on_progress: OnProgress) -> Run:
    """Make one run; raises RunFailed, and leaves no process behind in any case."""
    workload = experiment.workload
    if plan.seconds is not None:
        workload = msgspec.structs.replace(workload, seconds=min(plan.seconds, workload.seconds))
    due = arrivals(workload, experiment.folder, plan.factor, experiment.seed + plan.repeat)
    seed, topology = experiment.seed, experiment.topology
    with variant_system(plan.variant, workload, experiment.models, seed, topology) as (system, model):
        meter = Meter(lambda: [*system.processes(), *([("model server", model)] if model else [])])
        assignments = _assignments(system, plan, workload, experiment, due)
        expected = sum(expected_jobs(each) for each in assignments)
        async with _drivers(assignments) as drivers:
            disturb = partial(_disturb, system, plan, workload, seed)
            load = _under_load(drivers, meter, disturb, lambda sent, final: on_progress(sent, final, expected))
            observed, killed_at = await _while_it_runs(system, load)
    jobs = [row for each in observed for row in each.jobs]
    lost, doubled, disordered = (
        [sentence for each in observed for sentence in getattr(each, kind)]
        for kind in ("lost", "doubled", "disordered")
    )
    drained = [each.drained for each in observed]
    return Run(
        variant=plan.variant,
        repeat=plan.repeat,
        kind=plan.kind,
        factor=plan.factor,
        seconds=workload.seconds,
        drained=None if None in drained else max(drained, default=0.0),  # type: ignore[type-var]  # no None left
        acks=[ack for each in observed for ack in each.acks],
        jobs=jobs,
        uses=meter.uses,
        lost=len(lost),
        doubled=len(doubled),
        disordered=len(disordered),
        findings=[*lost[:10], *doubled[:10], *disordered[:10]],
        recovery=_recovery_seconds(jobs, killed_at) if killed_at is not None else None,
    )


async def _under_load(
    drivers: list[asyncio.subprocess.Process], meter: Meter, disturb: Disturb, on_progress: OnDriverProgress
) -> tuple[list[Observed], float | None]:
    """Start the load, disturb the system as planned, and return what the drivers observed and when a part was killed."""
    await _receive_all(drivers, Connected, on_progress)
    meter.begin()
    begin = time.monotonic() + START_DELAY_SECONDS
    for driver in drivers:
        driver.stdin.write(f"{begin}\n".encode())  # type: ignore[union-attr]  # it has one
    watching = asyncio.create_task(meter.watch(begin))
    disturbing = asyncio.create_task(disturb(begin))
    try:
        await _receive_all(drivers, AllFinal, on_progress)
        # The run ends here: next the drivers read what was stored, which is not part of the load.
        watching.cancel()
        await asyncio.to_thread(meter.sample, time.monotonic() - begin)
        return await _receive_all(drivers, Observed, on_progress), await disturbing
    finally:
        watching.cancel()
        disturbing.cancel()


async def _while_it_runs(system: System, doing: Coroutine[Any, Any, T]) -> T:
    """The result of `doing`; raises RunFailed when the system ends before it."""
    task, ended = asyncio.create_task(doing), asyncio.create_task(_wait_for_end(system))
    try:
        await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RunFailed(f"the system ended during the run: {system.log_tail()}")
        return task.result()
    finally:
        task.cancel()
        ended.cancel()


async def _wait_for_end(system: System) -> None:
    while system.process.poll() is None:
        await asyncio.sleep(0.2)


def _assignments(
    system: System, plan: Plan, workload: Workload, experiment: Experiment, due: list[Arrival]
) -> list[Assignment]:
    """One assignment for each driver; the rooms are divided among them."""
    tasks = experiment.tasks
    everybody = senders(due)
    texts = conversation_texts(workload, experiment.folder)
    return [
        Assignment(
            url=system.url,
            due=[arrival for arrival in due if arrival.room % DRIVER_PROCESSES == number],
            writers={room: names for room, names in everybody.items() if room % DRIVER_PROCESSES == number},
            history=[texts[i % len(texts)] for i in range(workload.history)],
            on_message=[task.name for task in on_message(tasks) if task.on],
            after={name: list(tasks[name].followers) for name in tasks},
            conditional=[name for name in tasks if tasks[name].when is not None],
            takes={
                name: [field for field in tasks[name].arguments.__struct_fields__ if field in FILLABLE_ARGUMENTS]
                for name in workload.requests
            },
            has_ledger=plan.variant != "plain",
            give_up_seconds=NO_PROGRESS_SECONDS,
        )
        for number in range(DRIVER_PROCESSES)
    ]


def expected_jobs(assignment: Assignment) -> int:
    """The jobs that one driver will see at least: tasks that follow only some results come on top."""

    def chain(task: str) -> int:
        followers = (each for each in assignment.after.get(task, []) if each not in assignment.conditional)
        return 1 + sum(chain(each) for each in followers)

    messages = len(assignment.due) + len(assignment.writers) * len(assignment.history)
    asked = sum(chain(task) for arrival in assignment.due for task in arrival.asks)
    return messages * sum(chain(task) for task in assignment.on_message) + asked


@contextlib.asynccontextmanager
async def _drivers(assignments: list[Assignment]) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Driver processes with their assignments; they are killed at the end in any case."""
    drivers = []
    try:
        for each in assignments:
            driver = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.compare.driver"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                start_new_session=True,
            )
            drivers.append(driver)
            driver.stdin.write(msgspec.json.encode(each) + b"\n")  # type: ignore[union-attr]  # it has one
        yield drivers
    finally:
        for driver in drivers:
            with contextlib.suppress(ProcessLookupError):
                driver.kill()
        for driver in drivers:
            await driver.wait()


async def _receive_all(
    drivers: list[asyncio.subprocess.Process], kind: type[M], on_progress: OnDriverProgress
) -> list[M]:
    """The next message of this kind from each driver; progress on the way is passed on."""
    progress = {number: Progress(0, 0) for number in range(len(drivers))}

    async def receive(number: int, driver: asyncio.subprocess.Process) -> M:
        while isinstance(message := await _read_message(driver), Progress):
            progress[number] = message
            on_progress(sum(each.sent for each in progress.values()), sum(each.final for each in progress.values()))
        if not isinstance(message, kind):
            raise RunFailed(f"a driver sent {type(message).__name__}, expected {kind.__name__}")
        return message

    return list(await asyncio.gather(*(receive(number, driver) for number, driver in enumerate(drivers))))


async def _read_message(driver: asyncio.subprocess.Process) -> DriverMessage:
    line = await driver.stdout.readline()  # type: ignore[union-attr]  # it has one
    if not line:
        raise RunFailed("a driver ended before it was done (see its line above)")
    message: DriverMessage = msgspec.json.decode(line, type=DriverMessage)
    return message


async def _disturb(system: System, plan: Plan, workload: Workload, seed: int, begin: float) -> float | None:
    """Disturb the system as planned; returns when a part was killed, in seconds since the load began, or None."""
    if plan.kind.startswith("kill "):
        later = Random(seed + plan.repeat).uniform(0, min(1.0, workload.seconds / 5))  # noqa: S311 - a load, not a secret
        at = begin + workload.seconds * KILL_AT_SHARE + later
        return await _kill(system, plan.kind.removeprefix("kill "), at, begin)
    if workload.deploy_every:
        await _deploys(system, workload, begin)
    return None


async def _kill(system: System, part: str, at: float, begin: float) -> float:
    """SIGKILL a part at a time; returns when that was, in seconds since the load began."""
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    process = system.parts().get(part)
    if process is None:
        raise RunFailed(f"there is no {part} to kill")
    os.kill(process.pid, signal.SIGKILL)
    return time.monotonic() - begin


async def _deploys(system: System, workload: Workload, begin: float) -> None:
    """SIGTERM to worker and web process every `deploy_every` seconds, as a deployment sends it."""
    at = begin + workload.deploy_every / 2
    while at < begin + workload.seconds:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        for part, process in (await asyncio.to_thread(system.parts)).items():
            if part in ("web process", "worker"):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.terminate()
        at += workload.deploy_every


def _recovery_seconds(jobs: list[JobTimes], killed: float) -> float | None:
    """Seconds from a kill until the first job that was due after it was answered."""
    ends = [row.final for row in jobs if row.asked > killed and row.final is not None]
    return min(ends) - killed if ends else None


OnRunStart = Callable[[Plan, int], OnProgress]
Measure = Callable[[Plan, Experiment, OnProgress], Awaitable[Run]]


@dataclass
class Comparison:
    """A whole comparison: which runs to make, and those that were made."""

    experiment: Experiment
    variants: list[str]
    repeat: int
    full: bool
    command: list[str]
    measure: Measure = measure
    runs: list[Run] = field(default_factory=list)
    cut_short: str | None = None
    _stopping: bool = False
    _end_run: Callable[[], object] | None = None

    def stop(self) -> None:
        """End the current run and start no other; may be called from signal handlers, any number of times."""
        if not self._stopping:
            self._stopping = True
            if self._end_run is not None:
                self._end_run()

    async def run(self, on_run_start: OnRunStart) -> None:
        """Make every run, one after the other. An error ends the comparison; the runs made before it stay.

        `on_run_start` gets each plan and the number of runs made, and returns what is called with the run's progress.
        """
        loop, making = asyncio.get_running_loop(), asyncio.current_task()
        self._end_run = lambda: loop.call_soon_threadsafe(making.cancel)  # type: ignore[union-attr]  # we are in it
        try:
            for plan in self._plans():
                if self._stopping:
                    raise asyncio.CancelledError
                self.runs.append(await self.measure(plan, self.experiment, on_run_start(plan, len(self.runs))))
        except (RunFailed, OSError) as error:  # OSError: for example too many open files
            self.cut_short = str(error)
        except asyncio.CancelledError:
            self.cut_short = "stopped by hand"
        finally:
            self._end_run = None

    def report(self) -> Report:
        """The report of the runs made so far."""
        experiment = self.experiment
        return Report(
            made=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            command=shlex.join(self.command),
            machine=machine(),
            workload=msgspec.to_builtins(experiment.workload),
            models=experiment.models,
            topology=experiment.topology,
            seed=experiment.seed,
            variants=self.variants,
            repeat=self.repeat,
            full=self.full,
            cut_short=self.cut_short,
            runs=self.runs,
        )

    def expected(self) -> int:
        """The number of runs, at most."""
        return sum(1 for _ in self._loads()) + (
            sum(len(STEPS) + 1 + len(_parts_to_kill(variant)) for variant in self.variants) if self.full else 0
        )

    def _plans(self) -> Iterator[Plan]:
        yield from self._loads()
        if self.full:
            for variant in self.variants:
                yield from self._steps(variant)
            for variant in self.variants:
                held = self._figures(variant).holds or STEPS[0]  # the lowest step where none held
                yield Plan(variant, 1, "overload", OVERLOAD_FACTOR * held, STEP_SECONDS)
            for variant in self.variants:
                yield from (Plan(variant, 1, f"kill {part}") for part in _parts_to_kill(variant))

    def _loads(self) -> Iterator[Plan]:
        """The variants in turn, in another order for each repeat, so that a noisy minute or being first favours none."""
        for number in range(self.repeat):
            turn = number % len(self.variants)
            for variant in self.variants[turn:] + self.variants[:turn]:
                yield Plan(variant, number + 1)

    def _steps(self, variant: str) -> Iterator[Plan]:
        """Increase the load until a bound is broken."""
        for factor in STEPS:
            yield Plan(variant, 1, "step", factor, STEP_SECONDS)
            if self._figures(variant).loads[-1].broken:
                return

    def _figures(self, variant: str) -> VariantFigures:
        """The figures of the runs that this variant has made so far."""
        made = [run for run in self.runs if run.variant == variant]
        return figures(made, msgspec.to_builtins(self.experiment.workload.bounds))[variant]


def _parts_to_kill(variant: str) -> list[str]:
    """The parts that are killed, one a run."""
    return ["web process", *(["worker", "broker"] if variant in ("queued", "auto") else [])]
