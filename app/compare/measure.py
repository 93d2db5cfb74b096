"""One run: a fresh system on one path, driven by real clients in other processes, and everything they saw."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
import psutil

from app.compare.meter import Meter
from app.compare.orders import Answer, Begin, Done, News, Orders, Settled
from app.compare.samples import JobTimes, Run
from app.compare.served import RunFailed, served
from app.compare.workload import GIVEN, Arrival, Workload, arrivals, conversation_texts, senders
from app.drive.system import System
from app.tasks import Task, on_message

DRIVERS = 2
PATIENCE = 75.0  # seconds without any news after which jobs count as lost: longer than one attempt may take
HEAD_START = 1.0  # seconds from the word to the first arrival
KILLED_AT = 0.4  # of a run's time, when something is killed in it: its effects are seen in the same run
LINE = 1 << 30  # bytes of one answer at most

Tell = Callable[[int, int], None]
T = TypeVar("T")
D = TypeVar("D", Begin, Settled, Done)


@dataclass(frozen=True)
class Plan:
    """One run to be made."""

    variant: str
    repeat: int
    kind: str = "load"
    factor: float = 1.0
    seconds: float | None = None  # where it is shorter than the workload


@dataclass
class Setting:
    """What all runs of a comparison share."""

    workload: Workload
    folder: Path  # of the workload's file
    tasks: Mapping[str, Task]
    seed: int
    models: str
    log: list[str] = field(default_factory=list)


async def measure(plan: Plan, setting: Setting, tell: Tell) -> Run:
    """Make one run; raises RunFailed, and leaves no process behind whatever happens."""
    workload = setting.workload
    if plan.seconds is not None:
        workload = msgspec.structs.replace(workload, seconds=min(plan.seconds, workload.seconds))
    due = arrivals(workload, setting.folder, plan.factor, setting.seed + plan.repeat)
    with served(plan.variant, workload, setting.models, setting.seed) as (system, model):
        meter = Meter(lambda: {**system.parts(), **({"model server": model} if model else {})})
        async with _drivers(_orders(system, plan, workload, setting, due)) as drivers:
            load = _under_load(system, drivers, meter, plan, workload, setting.seed, tell)
            done, killed = await _while_it_runs(system, load)
    jobs = [row for each in done for row in each.jobs]
    lost, doubled, disordered = (
        [sentence for each in done for sentence in getattr(each, kind)] for kind in ("lost", "doubled", "disordered")
    )
    drained = [each.drained for each in done]
    return Run(
        variant=plan.variant,
        repeat=plan.repeat,
        kind=plan.kind,
        factor=plan.factor,
        seconds=workload.seconds,
        drained=None if None in drained else max(drained, default=0.0),  # type: ignore[type-var]  # no None left
        acks=[ack for each in done for ack in each.acks],
        jobs=jobs,
        uses=meter.uses,
        lost=len(lost),
        doubled=len(doubled),
        disordered=len(disordered),
        findings=[*lost[:10], *doubled[:10], *disordered[:10]],
        recovery=_recovered(jobs, killed) if killed is not None else None,
    )


async def _under_load(
    system: System,
    drivers: list[asyncio.subprocess.Process],
    meter: Meter,
    plan: Plan,
    workload: Workload,
    seed: int,
    tell: Tell,
) -> tuple[list[Done], float | None]:
    """Let the drivers go, do the harm that is planned, and wait for what they saw; with the moment of a kill."""
    await _heard(drivers, Begin, tell)
    meter.begin()
    begin = time.monotonic() + HEAD_START
    for driver in drivers:
        driver.stdin.write(f"{begin}\n".encode())  # type: ignore[union-attr]  # it has one
    watching = asyncio.create_task(meter.watch(begin))
    harming = asyncio.create_task(_harm(system, plan, workload, seed, begin))
    try:
        await _heard(drivers, Settled, tell)
        # Here the run ends: what the drivers do next is to look at what was kept, which is no part of the load.
        watching.cancel()
        await asyncio.to_thread(meter.look, time.monotonic() - begin)
        return await _heard(drivers, Done, tell), await harming
    finally:
        watching.cancel()
        harming.cancel()


async def _while_it_runs(system: System, doing: Coroutine[Any, Any, T]) -> T:
    """What `doing` gives; raises RunFailed when the whole system ends meanwhile."""
    task, ended = asyncio.create_task(doing), asyncio.create_task(_ended(system))
    try:
        await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RunFailed(f"the system ended in mid-run: {system.last_words()}")
        return task.result()
    finally:
        task.cancel()
        ended.cancel()


async def _ended(system: System) -> None:
    while system.process.poll() is None:
        await asyncio.sleep(0.2)


def _orders(system: System, plan: Plan, workload: Workload, setting: Setting, due: list[Arrival]) -> list[Orders]:
    """The rooms shared out among the drivers."""
    tasks = setting.tasks
    everybody = senders(due)
    texts = conversation_texts(workload, setting.folder)
    return [
        Orders(
            url=system.url,
            due=[arrival for arrival in due if arrival.room % DRIVERS == number],
            writers={room: names for room, names in everybody.items() if room % DRIVERS == number},
            history=[texts[i % len(texts)] for i in range(workload.history)],
            on_message=[task.name for task in on_message(tasks)],
            after={name: list(tasks[name].followers) for name in tasks},
            takes={
                name: [field for field in tasks[name].arguments.__struct_fields__ if field in GIVEN]
                for name in workload.requests
            },
            kept=plan.variant != "plain",
            patience=PATIENCE,
        )
        for number in range(DRIVERS)
    ]


@contextlib.asynccontextmanager
async def _drivers(orders: list[Orders]) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Driver processes with their orders; ended whatever happens."""
    drivers = []
    try:
        for each in orders:
            driver = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.compare.drivers"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                limit=LINE,
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


async def _heard(drivers: list[asyncio.subprocess.Process], kind: type[D], tell: Tell) -> list[D]:
    """What each driver says next, other than how far it is; that is told."""
    news = {number: News(0, 0) for number in range(len(drivers))}

    async def hear(number: int, driver: asyncio.subprocess.Process) -> D:
        while isinstance(answer := await _answer(driver), News):
            news[number] = answer
            tell(sum(each.sent for each in news.values()), sum(each.final for each in news.values()))
        if not isinstance(answer, kind):
            raise RunFailed(f"a driver said {type(answer).__name__} out of turn")
        return answer

    return list(await asyncio.gather(*(hear(number, driver) for number, driver in enumerate(drivers))))


async def _answer(driver: asyncio.subprocess.Process) -> Begin | News | Settled | Done:
    line = await driver.stdout.readline()  # type: ignore[union-attr]  # it has one
    if not line:
        raise RunFailed("a driver ended before it was done (see its line above)")
    answer: Begin | News | Settled | Done = msgspec.json.decode(line, type=Answer)
    return answer


async def _harm(system: System, plan: Plan, workload: Workload, seed: int, begin: float) -> float | None:
    """Do the harm that is planned; gives the moment of a kill, in seconds since the run began."""
    if plan.kind.startswith("kill "):
        later = Random(seed + plan.repeat).uniform(0, min(1.0, workload.seconds / 5))  # noqa: S311
        at = begin + workload.seconds * KILLED_AT + later
        return await _kill(system, plan.kind.removeprefix("kill "), at, begin)
    if workload.deploy_every:
        await _deploys(system, workload, begin)
    return None


async def _kill(system: System, part: str, at: float, begin: float) -> float:
    """kill -9 of a part; when that was, in seconds since the run began."""
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    process = system.parts().get(part)
    if process is None:
        raise RunFailed(f"there is no {part} to kill")
    os.kill(process.pid, signal.SIGKILL)
    return time.monotonic() - begin


async def _deploys(system: System, workload: Workload, begin: float) -> None:
    """SIGTERM to worker and web process every `deploy_every` seconds, as a deploy does it."""
    at = begin + workload.deploy_every / 2
    while at < begin + workload.seconds:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        for part, process in (await asyncio.to_thread(system.parts)).items():
            if part in ("web process", "worker"):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.terminate()
        at += workload.deploy_every


def _recovered(jobs: list[JobTimes], killed: float) -> float | None:
    """Seconds from a part's death until the first job due after it was answered."""
    ends = [row.final for row in jobs if row.asked > killed and row.final is not None]
    return min(ends) - killed if ends else None
