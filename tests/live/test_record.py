"""The record of the last hour: what it counts, when it forgets, and that it stays small."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from app.live.record import ALL, CHANGES, FEW, SLOTS, Record

START = 1_700_000_040.0  # the beginning of a minute


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at the beginning of a minute."""
    return Clock()


@pytest.fixture
def record(clock: Clock) -> Record:
    """A record that begins now."""
    return Record(clock)


def counts(figures: dict[str, Any]) -> dict[str, int]:
    """Those that are not 0, without the times."""
    return {name: value for name, value in figures.items() if value and not name.endswith("_ms")}


def test_jobs_are_counted_by_task_and_path_and_for_all_tasks(record: Record) -> None:
    record.accepted("triage", "simple")
    record.ended("triage", "simple", "succeeded", 0.1)
    record.accepted("triage", "queued")
    record.retried("triage", "queued")
    record.ended("triage", "queued", "failed", 2.0)
    record.accepted("language", "simple")
    record.ended("language", "simple", "skipped")

    triage = record.report("triage", 10)["paths"]
    assert counts(triage["simple"]) == {"accepted": 1, "succeeded": 1, "answers": 1}
    assert counts(triage["queued"]) == {"accepted": 1, "retried": 1, "failed": 1, "answers": 1}
    everything = record.report(ALL, 60)["paths"]
    assert counts(everything["simple"]) == {"accepted": 2, "succeeded": 1, "skipped": 1, "answers": 1}
    assert counts(record.report("summarize", 10)["paths"]["simple"]) == {}


@pytest.mark.parametrize(("minutes", "step"), [(10, 10), (60, 60)])
def test_slots_follow_each_other_and_the_oldest_is_forgotten(
    record: Record, clock: Clock, minutes: int, step: int
) -> None:
    for _ in range(SLOTS + 5):
        record.ended("triage", "simple", "succeeded", 0.1)
        clock.now += step
    clock.now -= 0.5
    report = record.report("triage", minutes)
    assert report["step"] == step
    assert len(report["points"]) == SLOTS
    assert [point["simple"]["succeeded"] for point in report["points"]] == [1] * SLOTS
    assert report["paths"]["simple"]["succeeded"] == SLOTS
    clock.now += minutes * 60
    later = record.report("triage", minutes)
    assert later["points"] == []
    assert counts(later["paths"]["simple"]) == {}


def test_a_quiet_slot_is_left_out(record: Record, clock: Clock) -> None:
    record.ended("triage", "simple", "succeeded", 0.1)
    clock.now += 30
    record.ended("triage", "simple", "succeeded", 0.1)
    assert [point["at"][-7:-1] for point in record.report(ALL, 10)["points"]] == ["00.000", "30.000"]


def test_a_clock_that_is_set_back_loses_nothing(record: Record, clock: Clock) -> None:
    record.ended("triage", "simple", "succeeded", 0.1)
    clock.now -= 3600
    record.ended("triage", "simple", "succeeded", 0.1)
    clock.now += 3600
    assert [point["simple"]["succeeded"] for point in record.report(ALL, 10)["points"]] == [2]


def test_since_gives_what_was_not_complete_then(record: Record, clock: Clock) -> None:
    for _ in range(4):
        record.ended("triage", "simple", "succeeded", 0.1)
        clock.now += 10
    report = record.report(ALL, 10)
    assert len(report["points"]) == 4
    assert record.report(ALL, 10, clock.now - 12)["points"] == report["points"][-2:]
    assert record.report(ALL, 10, clock.now - 12)["paths"] == report["paths"]
    assert record.report(ALL, 10, clock.now)["points"] == []


def test_a_point_says_how_long_it_lasted(clock: Clock) -> None:
    clock.now += 4
    record = Record(clock)
    record.lagged(0.0)
    clock.now += 7
    record.lagged(0.0)
    assert [point["seconds"] for point in record.report(ALL, 10)["points"]] == [6.0, 1.0]


def test_gauges_keep_their_highest_reading(record: Record, clock: Clock) -> None:
    record.sample({"running": 4, "backlog": 0, "queue_messages": None}, [("triage", "simple", 3)])
    record.sample({"running": 2, "backlog": 9, "queue_messages": None}, [("triage", "simple", 5), ("ocr", "simple", 2)])
    record.lagged(0.25)
    record.lagged(0.01)
    (point,) = record.report("triage", 10)["points"]
    assert (point["running"], point["backlog"], point["hub_lag_ms"]) == (4, 9, 250.0)
    assert (point["queue_messages"], point["clients"]) == (None, None)
    assert (point["simple"]["under_way"], point["queued"]["under_way"]) == (5, 0)
    assert record.report(ALL, 60)["points"][0]["simple"]["under_way"] == 7
    clock.now += 10
    record.sample({"running": 1}, [])
    assert [each["running"] for each in record.report(ALL, 10)["points"]] == [4, 1]


def test_the_slowest_twentieth_needs_twenty_answers(record: Record) -> None:
    for _ in range(FEW - 1):
        record.ended("triage", "simple", "succeeded", 0.1)
    few = record.report("triage", 10)["paths"]["simple"]
    assert few["p50_ms"] == pytest.approx(100, rel=0.19)
    assert few["p95_ms"] is None
    record.ended("triage", "simple", "succeeded", 5.0)
    record.ended("triage", "simple", "succeeded", 5.0)
    enough = record.report("triage", 10)["paths"]["simple"]
    assert enough["p95_ms"] == pytest.approx(5000, rel=0.19)


def test_changes_of_flags_are_remembered_for_as_long_as_the_window(record: Record, clock: Clock) -> None:
    record.flag_changed({"task": "triage", "path": "queued", "percent": 50})
    clock.now += 11 * 60
    record.flag_changed({"task": "language", "path": "auto", "percent": 100})
    assert [each["task"] for each in record.report(ALL, 60)["changes"]] == ["triage", "language"]
    assert [each["percent"] for each in record.report("triage", 60)["changes"]] == [50]
    assert [each["task"] for each in record.report(ALL, 10)["changes"]] == ["language"]
    for _ in range(CHANGES * 2):
        record.flag_changed({"task": "triage", "path": "queued", "percent": 50})
    assert len(record.report(ALL, 60)["changes"]) == CHANGES


def test_it_stays_small_however_much_happens(record: Record, clock: Clock) -> None:
    for _ in range(800):  # more than an hour
        for number in range(20):
            for path in ("simple", "queued"):
                record.ended(f"task{number}", path, "succeeded", 0.001 * number)
        clock.now += 5
    assert _size(record) < 3_000_000
    record.ended("task1", "simple", "succeeded", 0.1)
    before = _size(record)
    for number in range(10_000):
        record.ended("task1", "simple", "succeeded", number / 100)
    assert _size(record) == before


def _size(thing: Any) -> int:
    """Bytes of a record and all it holds."""
    seen: set[int] = set()
    left, total = [thing], 0
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, type) or callable(each):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        if isinstance(each, dict):
            left += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple) or type(each).__name__ == "deque":
            left += list(each)
        elif hasattr(each, "__dict__"):
            left.append(vars(each))
    return total
