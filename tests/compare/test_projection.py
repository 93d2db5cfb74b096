"""The projection is arithmetic over measured costs, says what more is needed, and is held against runs it did not see."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.compare.figures import figures
from app.compare.loads import LEDGER_JOBS_PER_SECOND, PEAK_TO_AVERAGE, TARGET_CORE_SHARE, Projection, project
from app.compare.samples import Run
from tests.compare.samples import PARTS, run, runs

BOUNDS = {"ack_ms": 100.0, "answer_s": 2.0}
MACHINE = {"cores": 2}


def projected(measured: list[Run]) -> Projection:
    """The projection from these runs."""
    return project(figures(measured, BOUNDS), measured, MACHINE)


def test_costs_are_what_each_part_used_for_each_job() -> None:
    found = projected(runs("simple") + runs("queued"))
    for name in ("simple", "queued"):
        assert found.costs[name] == pytest.approx({part: 1000 * cost for part, cost in PARTS[name].items()}, rel=0.01)
    assert found.jobs_per_message == pytest.approx(2 + 1 / 12, rel=0.01)


def test_it_reaches_from_a_small_practice_to_the_largest() -> None:
    steps = projected(runs("simple")).steps
    assert steps[0].messages_per_day == 14_700
    assert steps[-1].jobs_per_day == 1_400_000_000
    assert steps[-1].average == pytest.approx(16_204, abs=1)
    assert steps[-1].peak == pytest.approx(33_420, abs=1)
    assert [step.peak for step in steps] == sorted(step.peak for step in steps)


def test_every_part_stays_below_the_target_at_the_peak() -> None:
    found = projected(runs("queued"))
    for step in found.steps:
        need = step.needs["queued"]
        for part in ("web process", "worker", "broker"):
            busy = step.peak * found.costs["queued"][part] / 1000
            assert busy / need.parts[part] <= TARGET_CORE_SHARE + 1e-6
            assert need.parts[part] == 1 or busy / (need.parts[part] - 1) > TARGET_CORE_SHARE
        assert need.parts["ledger"] == max(1, math.ceil(step.peak / LEDGER_JOBS_PER_SECOND))
        assert "model server" not in need.parts


def test_small_loads_need_one_of_each_and_large_ones_another_topology() -> None:
    steps = projected(runs("simple")).steps
    small, large = steps[0].needs["simple"], steps[-1].needs["simple"]
    assert small.built
    assert small.first == ""
    assert set(small.parts.values()) == {1}
    assert not large.built
    assert large.first == "web process"
    assert "compare --topology cluster" in large.sentence


def test_a_cluster_carries_large_loads_with_more_web_processes() -> None:
    measured = runs("simple")
    large = project(figures(measured, BOUNDS), measured, MACHINE, "cluster").steps[-1].needs["simple"]
    assert large.built
    assert large.first == "web process"
    assert large.parts["web process"] > 1
    assert "ledger" not in large.parts


def test_workers_are_added_without_anything_new() -> None:
    mostly_work = [msg for msg in runs("queued")]
    for each in mostly_work:
        for use in each.uses:
            use.cpu *= 10 if use.part == "worker" else 0.1
    step = next(step for step in projected(mostly_work).steps if step.needs["queued"].parts["worker"] > 1)
    assert step.needs["queued"].built
    assert step.needs["queued"].first == "worker"


def test_plain_is_not_projected() -> None:
    assert set(projected(runs("simple") + runs("plain")).costs) == {"simple"}


def test_without_other_loads_it_says_that_nothing_was_checked() -> None:
    found = projected(runs("simple"))
    assert found.checks == []
    assert found.checked.startswith("Not checked")


def test_it_is_checked_against_runs_it_was_not_made_from() -> None:
    other = run("simple", kind="overload", factor=2.0)
    for use in other.uses:
        use.cpu *= 1.25  # at twice the load a job costs a quarter more
    found = projected([*runs("simple"), other])
    assert {each.part for each in found.checks} == {"web process", "model server"}
    assert all(each.off == pytest.approx(-0.2, abs=0.02) for each in found.checks)
    assert "-20 %" in found.checked
    assert found.costs == projected(runs("simple")).costs


def test_the_most_a_path_can_do_is_checked_only_against_an_overload() -> None:
    step = run("simple", kind="step", factor=2.0)
    assert projected([*runs("simple"), step]).reaches == []
    (reach,) = projected([*runs("simple"), step, run("simple", kind="overload", factor=2.0)]).reaches
    assert reach.limit == "all 2 cores"
    assert reach.projected == pytest.approx(200, rel=0.01)  # 10 ms a job on two cores


def test_nothing_measured_gives_nothing() -> None:
    assert projected([]).steps == []


@given(st.floats(0.2, 5))
def test_twice_the_cost_never_needs_less(more: float) -> None:
    cheap, dear = runs("queued", 1, messages=24), runs("queued", 1, messages=24)
    for use in dear[0].uses:
        use.cpu *= 1 + more
    for left, right in zip(projected(cheap).steps, projected(dear).steps, strict=True):
        assert all(right.needs["queued"].parts[part] >= count for part, count in left.needs["queued"].parts.items())
    assert PEAK_TO_AVERAGE > 1
