"""Running loads for some seconds, with what server and generator used of their processors meanwhile."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.bench.crowd import Crowd, LoadFailed
from tests.bench.loads import Load

DRAIN_SECONDS = 20.0
Clocks = Callable[[], Mapping[str, float]]  # CPU seconds of each server process so far


@dataclass(frozen=True)
class Sample:
    """One measurement: for each load what it did and how long each of it took; CPU seconds by process."""

    seconds: float
    done: list[int]
    took: list[list[float]]
    cpu: dict[str, float]
    generator: float  # share of its core that the generator used


def measure(crowd: Crowd, loads: list[Load], warm_up: float, seconds: float, clocks: Clocks) -> Sample:
    """Warm up, measure, stop, and wait for what is still on its way; raises LoadFailed when some of it never comes."""
    gc.collect()
    gc.disable()  # a pause of the generator would count as the server's
    try:
        for load in loads:
            load.begin()
        begun = time.perf_counter()
        _run(crowd, loads, begun + warm_up)
        before, cpu_before, own_before, at = [load.done for load in loads], clocks(), time.process_time(), _now()
        for load in loads:
            load.seconds.clear()
        _run(crowd, loads, at + seconds)
        passed, cpu, own = _now() - at, clocks(), time.process_time() - own_before
        sample = Sample(
            seconds=passed,
            done=[load.done - earlier for load, earlier in zip(loads, before, strict=True)],
            took=[sorted(load.seconds) for load in loads],
            cpu={name: cpu[name] - cpu_before[name] for name in cpu},
            generator=own / passed,
        )
        _drain(crowd, loads)
    finally:
        gc.enable()
    return sample


def _run(crowd: Crowd, loads: list[Load], until: float) -> None:
    while (now := _now()) < until:
        crowd.pump(min([until, *(load.tick(now) for load in loads)]) - _now())


def _drain(crowd: Crowd, loads: list[Load]) -> None:
    for load in loads:
        load.stopping = True
    until = _now() + DRAIN_SECONDS
    while missing := sum(load.outstanding() for load in loads):
        crowd.pump(0.1)
        if _now() > until:
            raise LoadFailed(f"{missing} answers never came")


def _now() -> float:
    return time.perf_counter()
