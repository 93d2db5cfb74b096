"""The arithmetic of the bench: what several repetitions say together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of some repetitions."""

    median: float
    low: float
    high: float
    values: list[float]


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values), list(values))


def per_cpu_second(done: float, cpu_seconds: float) -> float:
    """How much a process does in one second of processor time; 0 when its clock did not move."""
    return done / cpu_seconds if cpu_seconds > 0 else 0.0


def cpu_microseconds(cpu_seconds: float, done: float) -> float:
    """Processor time for each thing done, in microseconds; 0 when nothing was done."""
    return cpu_seconds * MICROSECONDS / done if done else 0.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of values in ascending order (the smallest value that `share` of them do not exceed)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
