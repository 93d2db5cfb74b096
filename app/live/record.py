"""The record of the last hour: 60 slots of ten seconds for a close look, 60 of a minute for the whole hour.

It lies on the way of every job, so noting something is a few additions whatever the load, and its size depends on the
number of tasks alone: at most 0.14 MB each, when it is busy on both paths all the time. It begins with the process: the ledger
knows neither when an answer was shown nor how late the hub was, and an hour of it can be two million rows.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from app.ids import rfc3339
from app.live import times

PATHS = ("simple", "queued")
ALL = "*"  # stands for all tasks, as in the flags
SLOTS = 60
STEPS = {10: 10, 60: 60}  # seconds of a slot, by the minutes that its ring covers
COUNTS = ("accepted", "succeeded", "failed", "cancelled", "skipped", "retried")
GAUGES = ("running", "backlog", "outbox", "queue_messages", "queue_bytes", "hub_lag_ms", "clients")
OF_THE_WHOLE = ("queue_messages", "queue_bytes", "hub_lag_ms")  # not added up where several processes report them
FEW = 20  # below so many answers the slowest twentieth is one answer or none
CHANGES = 200  # changes of flags remembered; setting `*` is one for each task

_PLACES = {name: place for place, name in enumerate(COUNTS)}
_UNDER_WAY = len(COUNTS)  # in a cell: the counts, the most jobs under way, then the bins
_BINS = _UNDER_WAY + 1
_EMPTY = bytes(4 * (_BINS + times.BINS))


class Extract(msgspec.Struct):
    """The slots of one task, by number: counts by path, and the highest readings."""

    began: float
    cells: dict[int, dict[str, list[int]]]
    highest: dict[int, dict[str, float]]


class Slot:
    """What happened in one stretch of time, and the highest readings in it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.cells: dict[str, dict[str, array[int]]] = {path: {} for path in PATHS}
        self.highest: dict[str, float] = {}

    def cell(self, path: str, task: str) -> array[int]:
        """The cell to count in."""
        cells = self.cells[path]
        if task not in cells:
            cells[task] = array("I", _EMPTY)
        return cells[task]

    def read(self, name: str, value: float) -> None:
        """Keep the highest reading."""
        if value > self.highest.get(name, -1.0):
            self.highest[name] = value


class Ring:
    """The newest slots of so many seconds each; one in which nothing was noted is left out."""

    def __init__(self, step: int) -> None:
        self.step = step
        self._slots: deque[Slot] = deque(maxlen=SLOTS)

    def now(self, now: float) -> Slot:
        """The slot of this moment; while the clock is set back, the newest one there is."""
        number = int(now // self.step)
        if not self._slots or self._slots[-1].number < number:
            self._slots.append(Slot(number))
        return self._slots[-1]

    def lately(self, now: float) -> list[Slot]:
        """The slots that are not older than the ring is long, oldest first."""
        oldest = int(now // self.step) - SLOTS
        return [slot for slot in self._slots if slot.number > oldest]


class Record:
    """What happened on both paths, by task, since this process began and at most an hour back."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._began = clock()
        self._rings = {minutes: Ring(step) for minutes, step in STEPS.items()}
        self._changes: deque[tuple[float, dict[str, Any]]] = deque(maxlen=CHANGES)
        # Everything counts on the loop; reports are made in threads, which may read a slot while it is filled.
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, str], list[array[int]]] = {}  # of the slots of this moment, for `_count`
        self._until = 0.0  # when the first of these slots ends

    def accepted(self, task: str, path: str) -> None:
        """A job was put into the ledger."""
        self._count(task, path, _PLACES["accepted"])

    def retried(self, task: str, path: str) -> None:
        """A job gets another attempt."""
        self._count(task, path, _PLACES["retried"])

    def ended(self, task: str, path: str, state: str, seconds: float | None = None) -> None:
        """A job became final, and its answer took this long from accepted to shown."""
        answer = () if seconds is None else (_BINS + times.place(seconds),)
        self._count(task, path, _PLACES[state], *answer)

    def lagged(self, seconds: float) -> None:
        """The hub was this late."""
        with self._lock:
            for slot in self._now():
                slot.read("hub_lag_ms", round(seconds * 1000, 1))

    def sample(self, gauges: Mapping[str, float | None], under_way: Iterable[tuple[str, str, int]]) -> None:
        """Note readings by their names in GAUGES, and how many jobs are under way by task and path."""
        most: dict[tuple[str, str], int] = {}
        for task, path, count in under_way:
            most[path, task] = count
            most[path, ALL] = most.get((path, ALL), 0) + count
        with self._lock:
            for slot in self._now():
                for name, value in gauges.items():
                    if value is not None:
                        slot.read(name, value)
                for where, count in most.items():
                    cell = slot.cell(*where)
                    cell[_UNDER_WAY] = max(cell[_UNDER_WAY], count)

    def flag_changed(self, flag: dict[str, Any]) -> None:
        """From now on another flag is in force: `{task, path, percent}`."""
        self._changes.append((self._clock(), flag))

    def extract(self, task: str, minutes: int) -> Extract:
        """What another process needs to add this one's last hour to its own, of a task or of ALL."""
        with self._lock:
            slots = self._rings[minutes].lately(self._clock())
            cells = {
                s.number: {path: list(s.cells[path][task]) for path in PATHS if task in s.cells[path]} for s in slots
            }
            return Extract(self._began, cells, {slot.number: dict(slot.highest) for slot in slots})

    def report(self, task: str, minutes: int, since: float = 0.0, others: Iterable[Extract] = ()) -> dict[str, Any]:
        """What GET /api/live shows of a task, or of ALL; only the points that were not complete at `since`.

        `others` are the extracts of other processes: what is shown is that of all together.
        """
        now, ring = self._clock(), self._rings[minutes]
        others = list(others)
        with self._lock:
            slots = _with(ring.lately(now), task, others) if others else ring.lately(now)
            began = min([self._began, *(other.began for other in others)])
            return {
                "at": rfc3339(now),
                "began": rfc3339(began),
                "task": task,
                "minutes": minutes,
                "step": ring.step,
                "paths": {path: _figures(_sum(slots, path, task)) for path in PATHS},
                "points": [
                    _point(slot, ring.step, task, now, began) for slot in slots if (slot.number + 1) * ring.step > since
                ],
                "changes": [
                    {"at": rfc3339(at), **flag}
                    for at, flag in self._changes
                    if at > now - minutes * 60 and task in (ALL, flag["task"])
                ],
            }

    def _count(self, task: str, path: str, *places: int) -> None:
        now = self._clock()
        if not self._until - STEPS[10] <= now < self._until:
            self._until = (now // STEPS[10] + 1) * STEPS[10]
            self._cells.clear()
        cells = self._cells.get((path, task))
        if cells is None:
            with self._lock:
                cells = [slot.cell(path, name) for slot in self._now() for name in (task, ALL)]
            self._cells[path, task] = cells
        for cell in cells:
            for place in places:
                cell[place] += 1

    def _now(self) -> list[Slot]:
        now = self._clock()
        return [ring.now(now) for ring in self._rings.values()]


def _point(slot: Slot, step: int, task: str, now: float, began: float) -> dict[str, Any]:
    start = slot.number * step
    lasted = min(start + step, now) - max(start, began)
    highest = {name: slot.highest.get(name) for name in GAUGES}
    point: dict[str, Any] = {"at": rfc3339(start), "seconds": round(max(lasted, 0.0), 1), **highest}
    for path in PATHS:
        cell = slot.cells[path].get(task)
        point[path] = {**_figures(cell), "under_way": cell[_UNDER_WAY] if cell else 0}
    return point


def _with(slots: list[Slot], task: str, others: list[Extract]) -> list[Slot]:
    """Slots in which what the others had is added; of what the broker holds each has the whole, and the highest counts."""
    whole: dict[int, Slot] = {}
    mine = Extract(
        0.0,
        {s.number: {path: list(s.cells[path][task]) for path in PATHS if task in s.cells[path]} for s in slots},
        {slot.number: slot.highest for slot in slots},
    )
    for each in (mine, *others):
        for number in each.cells.keys() | each.highest.keys():
            slot = whole.setdefault(number, Slot(number))
            for path, counts in each.cells.get(number, {}).items():
                cell = slot.cell(path, task)
                for place, count in enumerate(counts):
                    cell[place] += count
            for name, value in each.highest.get(number, {}).items():
                known = slot.highest.get(name, 0.0)
                slot.highest[name] = max(known, value) if name in OF_THE_WHOLE else known + value
    return [whole[number] for number in sorted(whole)]


def _sum(slots: list[Slot], path: str, task: str) -> list[int] | None:
    cells = [slot.cells[path][task] for slot in slots if task in slot.cells[path]]
    return [sum(column) for column in zip(*cells, strict=True)] if cells else None


def _figures(cell: Sequence[int] | None) -> dict[str, Any]:
    counts = cell or (0,) * (_BINS + times.BINS)
    bins = counts[_BINS:]
    answers = sum(bins)
    return {
        **dict(zip(COUNTS, counts, strict=False)),
        "answers": answers,
        "p50_ms": _ms(times.quantile(bins, 0.5)),
        "p95_ms": _ms(times.quantile(bins, 0.95)) if answers >= FEW else None,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
