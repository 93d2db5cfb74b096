"""The arithmetic of the bench, and what its table says of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import report
from tests.bench.figures import cpu_microseconds, per_cpu_second, percentile, spread
from tests.bench.rows import Line, Row
from tests.bench.sides import Side


def test_the_spread_is_median_lowest_and_highest() -> None:
    assert (spread([3, 1, 2]).median, spread([3, 1, 2]).low, spread([3, 1, 2]).high) == (2, 1, 3)
    assert spread([1, 2]).median == 1.5


def test_per_cpu_second_is_what_a_whole_core_would_do() -> None:
    assert per_cpu_second(500, 0.25) == 2000
    assert per_cpu_second(500, 0) == 0
    assert cpu_microseconds(0.25, 500) == 500
    assert cpu_microseconds(0.25, 0) == 0


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0
    assert percentile([], 0.5) == 0.0


def row(line: Line) -> Row:
    sides = [Side(name, lambda size: None) for name in ("Spillway", "Node")]  # type: ignore[arg-type,return-value]
    return Row("echo", sides, [line])


@pytest.mark.parametrize(
    ("line", "ours", "peer", "expected"),
    [
        (Line("x", "f", "u", at_least_times=0.5), 5.0, 10.0, True),
        (Line("x", "f", "u", at_least_times=0.5), 4.9, 10.0, False),
        (Line("x", "f", "u", at_least_times=0.5), 4.9, None, None),
        (Line("x", "f", "u", at_most=10), 10.0, None, True),
        (Line("x", "f", "u", at_most=10, at_most_times=2), 15.0, 8.0, True),
        (Line("x", "f", "u", at_most=10, at_most_times=2), 17.0, 8.0, False),
        (Line("x", "f", "u", at_most=250, below_peer=True), 240.0, 230.0, False),
        (Line("x", "f", "u", at_most=250, below_peer=True), 251.0, None, False),
        (Line("x", "f", "u"), 1.0, 1.0, None),
    ],
)
def test_what_must_be_reached_is_judged_against_the_same_run(
    line: Line, ours: float, peer: float | None, expected: bool | None
) -> None:
    assert report.reached(line, ours, peer) is expected


def test_the_worst_repetition_counts_where_a_line_says_so() -> None:
    measured: dict[str, Any] = {"Spillway": [{"f": 1.0}, {"f": 9.0}, {"f": 2.0}], "Node": [{"f": 4.0}] * 3}
    usual = report.row_as_json(row(Line("x", "f", "u")), measured, {})["lines"][0]
    worst = report.row_as_json(row(Line("x", "f", "u", worst=True)), measured, {})["lines"][0]
    assert (usual["value"], usual["times_peer"]) == (2.0, 0.5)
    assert worst["value"] == 9.0
    text = report.markdown(
        {"rows": [report.row_as_json(row(Line("x", "f", "u", worst=True)), measured, {})], "missing": {}}
    )
    assert "9 (median 2)" in text


def test_a_side_that_failed_and_a_peer_that_is_missing_are_named_in_the_table() -> None:
    judged = report.row_as_json(row(Line("x", "f", "u", at_most=1)), {"Node": [{"f": 4.0}]}, {"Spillway": "no ack"})
    text = report.markdown({"rows": [judged], "missing": {"bullmq": "redis-server not installed"}})
    assert "failed: no ack" in text
    assert "Node 4 (4 to 4)" in text
    assert "bullmq is missing: redis-server not installed" in text
    assert any("no ack" in cell for cells in report.screen(judged) for cell in cells)


def test_numbers_have_three_digits_that_say_something() -> None:
    shown = {12345.6: "12,346", 99.94: "99.9", 1.5: "1.5", 0.25: "0.25", 2.0: "2"}
    assert {value: report.number(value) for value in shown} == shown
