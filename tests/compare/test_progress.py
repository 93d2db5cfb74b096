"""While it measures, a comparison shows how much of the work is done, and never a number of something unknown."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from app.compare import command
from app.compare.driver import Assignment
from app.compare.run import Comparison, Experiment, OnProgress, Plan, expected_jobs
from app.compare.samples import Run
from app.compare.workload import Arrival, Workload
from tests.compare import samples


def assignment(**changed: Any) -> Assignment:
    """Two messages in one room, of which the second comes with a request."""
    made = Assignment(
        url="",
        due=[Arrival(0.0, 0, "Ann", "one", []), Arrival(1.0, 0, "Ann", "two", ["summarize"])],
        writers={0: ["Ann"]},
        history=[],
        on_message=["triage", "language"],
        after={"triage": ["escalate"]},
        conditional=["escalate"],
        takes={},
        has_ledger=True,
        give_up_seconds=1.0,
    )
    return msgspec.structs.replace(made, **changed)


def shown(progress: list[tuple[int, int, int]]) -> str:
    """What a terminal shows of one run that reports this progress."""

    async def measure(plan: Plan, experiment: Experiment, on_progress: OnProgress) -> Run:
        for sent, final, expected in progress:
            on_progress(sent, final, expected)
        return samples.run(plan.variant)

    experiment = Experiment(Workload(about="", seconds=1, rate=1), Path(), {}, 1, "synthetic")
    file = io.StringIO()
    comparison = Comparison(experiment, ["simple"], 1, False, [], measure)
    asyncio.run(command._run_with_progress(comparison, Console(file=file, force_terminal=True, width=120)))
    return file.getvalue()


def test_jobs_are_counted_against_those_expected() -> None:
    said = shown([(2, 3, 12)])
    assert "3/12" in said
    assert "simple: jobs done" in said


def test_what_is_not_known_yet_is_not_shown_as_a_question_mark() -> None:
    assert "/?" not in shown([])
    assert "/?" not in shown([(1, 1, 4), (4, 4, 4)])


def test_more_jobs_than_were_expected_are_no_more_than_all() -> None:
    assert "13/13" in shown([(2, 13, 12)])


def test_every_message_and_request_brings_the_jobs_that_must_follow() -> None:
    assert expected_jobs(assignment()) == 2 * 2 + 1
    assert expected_jobs(assignment(conditional=[])) == 2 * 3 + 1
    assert expected_jobs(assignment(history=["before"] * 5)) == 7 * 2 + 1


@pytest.mark.parametrize(("breaks_at", "steps", "overload"), [(4.0, [0.5, 1.0, 2.0, 4.0], 4.0), (0.5, [0.5], 1.0)])
def test_steps_end_where_a_bound_breaks_and_the_overload_is_twice_the_highest_that_held(
    breaks_at: float, steps: list[float], overload: float
) -> None:
    made: list[Plan] = []

    async def measure(plan: Plan, experiment: Experiment, on_progress: OnProgress) -> Run:
        made.append(plan)
        slower = 0.3 if plan.factor >= breaks_at else 0.0
        return samples.run(plan.variant, plan.repeat, kind=plan.kind, factor=plan.factor, acks_slower=slower)

    experiment = Experiment(Workload(about="", seconds=1, rate=1), Path(), {}, 1, "synthetic")
    comparison = Comparison(experiment, ["simple"], 1, True, [], measure)
    asyncio.run(comparison.run(lambda plan, number: lambda sent, final, expected: None))
    assert [plan.factor for plan in made if plan.kind == "step"] == steps
    assert [plan.factor for plan in made if plan.kind == "overload"] == [overload]
    assert [plan.kind for plan in made if plan.kind.startswith("kill")] == ["kill web process"]
