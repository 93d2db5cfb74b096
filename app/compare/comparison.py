"""A whole comparison: which runs are made in what order, and the report of those that were."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import psutil

from app.compare.measure import Plan, Setting, Tell, measure
from app.compare.measures import LoadFigures
from app.compare.report import conclude
from app.compare.samples import Report, Run
from app.compare.served import RunFailed
from app.ids import rfc3339
from app.settings import from_env

STEPS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # of the workload's rate
STEP_SECONDS = 15.0  # a step lasts no longer: it looks for the load that breaks a bound, not for rare events
TOO_MUCH = 2.0  # times the load it can carry is an overload

Look = Callable[[Plan, int], Tell]
Measure = Callable[[Plan, Setting, Tell], Awaitable[Run]]


@dataclass
class Comparison:
    """What is compared, and how far it has come."""

    setting: Setting
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
        """End the run under way and make no other; for signal handlers, however often they are called."""
        if not self._stopping:
            self._stopping = True
            if self._end_run is not None:
                self._end_run()

    async def run(self, look: Look) -> None:
        """Make every run, one after the other; what goes wrong ends it, and what was measured stays.

        `look` is called with each run that begins and how much is expected, and gives what to tell its progress to.
        """
        loop, making = asyncio.get_running_loop(), asyncio.current_task()
        self._end_run = lambda: loop.call_soon_threadsafe(making.cancel)  # type: ignore[union-attr]  # we are in it
        try:
            for plan in self._plans():
                if self._stopping:
                    raise asyncio.CancelledError
                self.runs.append(await self.measure(plan, self.setting, look(plan, len(self.runs))))
        except (RunFailed, OSError) as error:  # such as: no process or file can be opened any more
            self.cut_short = str(error)
        except asyncio.CancelledError:
            self.cut_short = "stopped by hand"
        finally:
            self._end_run = None

    def report(self) -> Report:
        """The report of the runs there are."""
        setting = self.setting
        return Report(
            made=rfc3339(time.time()),
            command=shlex.join(self.command),
            machine=machine(),
            workload=msgspec.to_builtins(setting.workload),
            models=setting.models,
            seed=setting.seed,
            variants=self.variants,
            repeat=self.repeat,
            full=self.full,
            cut_short=self.cut_short,
            runs=self.runs,
        )

    def expected(self) -> int:
        """How many runs there will be, at most."""
        return sum(1 for _ in self._loads()) + (
            sum(len(STEPS) + 1 + len(_killed(variant)) for variant in self.variants) if self.full else 0
        )

    def _plans(self) -> Iterator[Plan]:
        yield from self._loads()
        if self.full:
            for variant in self.variants:
                yield from self._steps(variant)
            for variant in self.variants:
                yield Plan(variant, 1, "overload", TOO_MUCH * self._carried(variant), STEP_SECONDS)
            for variant in self.variants:
                yield from (Plan(variant, 1, f"kill {part}") for part in _killed(variant))

    def _loads(self) -> Iterator[Plan]:
        """Interleaved, and each time in another order: a noisy machine hurts all alike, and nobody is always first."""
        for number in range(self.repeat):
            turn = number % len(self.variants)
            for variant in self.variants[turn:] + self.variants[:turn]:
                yield Plan(variant, number + 1)

    def _steps(self, variant: str) -> Iterator[Plan]:
        """Ever more load, until a bound breaks."""
        for factor in STEPS:
            yield Plan(variant, 1, "step", factor, STEP_SECONDS)
            if self._stepped(variant)[-1].broken:
                return

    def _stepped(self, variant: str) -> list[LoadFigures]:
        """The steps this variant has made, in order of load."""
        loads = conclude(self.report()).figures[variant].loads
        return sorted((load for load in loads if load.kind == "step"), key=lambda load: load.factor)

    def _carried(self, variant: str) -> float:
        """The highest step whose bounds held; the lowest there is, when none did."""
        held = [load.factor for load in self._stepped(variant) if not load.broken]
        return max(held, default=STEPS[0])


def machine() -> dict[str, object]:
    """What this machine is, as far as it tells."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "max_inflight": from_env().max_inflight,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _killed(variant: str) -> list[str]:
    """The parts whose sudden death is tried."""
    return ["web process", *(["worker", "broker"] if variant in ("queued", "auto") else [])]
