"""The verdict follows its rules: it can say stay simple, take the queue, and that it cannot tell."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.compare.figures import figures
from app.compare.report import headline
from app.compare.samples import Ack, Figure, JobTimes, Run, Times
from app.compare.verdict import Group, Verdict, compare, groups, verdicts
from tests.compare.samples import dropped, report, run, runs

BOUNDS = {"ack_ms": 100.0, "answer_s": 2.0, "tasks": {"summarize": 20.0}}
MACHINE = {"cores": 2}


def judge(measured: list[Run], **bounds: object) -> dict[str, Verdict]:
    """The verdicts by task."""
    kept = {**BOUNDS, **bounds}
    return {each.task: each for each in verdicts(figures(measured, kept), kept, MACHINE)}


def said(measured: list[Run], **bounds: object) -> str:
    """The verdict in one sentence."""
    return headline(list(judge(measured, **bounds).values()), figures(measured, {**BOUNDS, **bounds}))


def grouped(measured: list[Run], **bounds: object) -> dict[str, Group]:
    """The verdicts as they are told, equal ones together, by the names of their tasks."""
    kept = {**BOUNDS, **bounds}
    found = list(judge(measured, **bounds).values())
    return {each.title: each for each in groups(found, figures(measured, kept), kept)}


def test_two_equal_paths_are_a_draw_and_the_one_with_fewer_parts_is_taken() -> None:
    measured = runs("simple") + runs("queued")
    found = judge(measured)
    assert {(each.take, each.rule) for each in found.values()} == {("simple", "draw")}
    assert said(measured) == "A draw: stay simple."
    assert "A draw" in found["triage"].reason


@pytest.mark.parametrize("repeats", [2, 3, 5])
@pytest.mark.parametrize("seed", range(20))
def test_chance_alone_makes_no_winner(seed: int, repeats: int) -> None:
    found = judge(runs("simple", repeats, seed=seed) + runs("queued", repeats, seed=seed + 100))
    assert {each.rule for each in found.values()} == {"draw"}


@pytest.mark.parametrize("repeats", [1, 2, 3, 5])
@pytest.mark.parametrize("task", ["triage", "language"])
def test_a_path_made_50_ms_slower_by_hand_is_found_slower(repeats: int, task: str) -> None:
    slow_queue = judge(runs("simple", repeats) + runs("queued", repeats, slower=0.05))[task]
    assert (slow_queue.take, slow_queue.rule) == ("simple", "answer")
    slow_simple = judge(runs("simple", repeats, slower=0.05) + runs("queued", repeats))[task]
    assert (slow_simple.take, slow_simple.rule) == ("queued", "answer")
    assert "answers sooner" in slow_simple.reason


def test_a_path_made_slower_is_found_slower_also_where_tasks_are_slow() -> None:
    assert judge(runs("simple", slower=0.15) + runs("queued"))["summarize"].take == "queued"


def test_differences_nobody_notices_are_a_draw() -> None:
    assert judge(runs("simple", slower=0.003, noise=0) + runs("queued", noise=0))["language"].rule == "draw"


def test_differences_smaller_than_the_spread_are_a_draw() -> None:
    found = judge(runs("simple", slower=0.05, noise=0.4) + runs("queued", noise=0.4))
    assert {(each.take, each.rule) for each in found.values()} == {("simple", "draw")}


def test_with_one_repeat_a_fifth_is_a_draw() -> None:
    assert judge(runs("simple", 1, slower=0.05) + runs("queued", 1))["summarize"].rule == "draw"


def test_a_job_dropped_by_hand_puts_the_path_out() -> None:
    found = judge([dropped(run("simple")), *runs("queued", slower=0.05)])
    assert {(each.take, each.rule) for each in found.values()} == {("queued", "out")}
    assert found["triage"].reason == "Simple is excluded: it lost 1; queued did not."


@pytest.mark.parametrize("wrong", ["lost", "doubled", "disordered"])
def test_a_broken_promise_in_any_run_puts_the_path_out(wrong: str) -> None:
    killed = msgspec.structs.replace(run("simple", kind="kill web process"), **{wrong: 1})
    assert {each.take for each in judge([*runs("simple"), killed, *runs("queued")]).values()} == {"queued"}


def test_when_every_path_broke_a_promise_none_is_recommended() -> None:
    measured = [dropped(run("simple")), dropped(run("queued"))]
    found = judge(measured)
    assert {each.take for each in found.values()} == {None}
    assert said(measured) == "No path can be recommended."
    assert "Find the cause" in found["triage"].reason


def test_plain_is_judged_and_never_recommended() -> None:
    found = judge(runs("plain") + runs("queued", slower=5))
    assert {each.take for each in found.values()} == {"queued"}
    assert all(each.plain for each in found.values())
    assert {each.take for each in judge(runs("plain")).values()} == {None}


def test_a_path_alone_is_taken_for_want_of_another() -> None:
    assert {(each.take, each.rule) for each in judge(runs("queued")).values()} == {("queued", "alone")}


def test_only_one_keeps_the_bound_on_answers() -> None:
    found = judge(runs("simple", slower=2.5) + runs("queued", acks_slower=0.05))["triage"]
    assert (found.take, found.rule, found.keeps) == ("queued", "bound", True)
    assert "Only queued keeps the bound of 2 s on answers of triage" in found.reason


def test_only_one_keeps_the_bound_on_acks() -> None:
    found = judge(runs("simple", acks_slower=0.3) + runs("queued", slower=0.05))["triage"]
    assert (found.take, found.rule) == ("queued", "bound")
    assert "on acks" in found.reason


def test_a_bound_that_lies_between_two_equal_values_tells_nothing_apart() -> None:
    measured = runs("simple") + runs("queued")
    p95 = sorted(each.tasks["triage"].answer.p95.value or 0.0 for each in figures(measured, BOUNDS).values())
    assert p95[0] < p95[1]
    assert judge(measured, answer_s=sum(p95) / 2000)["triage"].rule == "draw"


def test_a_bound_that_even_the_better_path_breaks_is_told() -> None:
    found = judge(runs("simple", slower=4) + runs("queued", slower=3))["triage"]
    assert (found.take, found.keeps) == ("queued", False)
    assert "It still breaks the bound of 2 s" in found.reason


def test_the_headline_carries_a_bound_that_no_path_keeps() -> None:
    measured = runs("simple", slower=4) + runs("queued", slower=3)
    of_two = {"answer_s": 2.0, "tasks": {}}
    assert said(measured, **of_two) == "Take the queue; neither path keeps 2 s under this load."
    assert said([*measured, *runs("auto", slower=3)], **of_two) == "Take the queue; no path keeps 2 s under this load."
    assert said(runs("queued", slower=3), **of_two) == "Take the queue; it does not keep 2 s under this load."
    assert said([*measured, *runs("plain")], **of_two) == "Take the queue; neither path keeps 2 s under this load."


def test_the_headline_names_the_tasks_whose_bound_no_path_keeps_where_others_are_kept() -> None:
    measured = runs("simple", slower=4) + runs("queued", slower=3)
    assert said(measured) == "Take the queue; neither path keeps 2 s for language and triage under this load."
    late = runs("simple", acks_slower=0.3) + runs("queued", acks_slower=0.3)
    assert said(late) == "A draw: stay simple; neither path keeps 100 ms for acks under this load."


def test_a_bound_that_one_path_keeps_is_not_in_the_headline() -> None:
    assert said(runs("simple", slower=2.5) + runs("queued")) == "Take the queue."


def test_past_a_broken_bound_there_is_no_load_at_which_the_answer_changes() -> None:
    measured = runs("simple", slower=4) + runs("queued", slower=3)
    turn = judge(measured)["triage"].turn
    assert turn.factor is None
    assert turn.sentence == "Already past it: queued breaks a bound at this load."
    steps = [run("queued", kind="step", factor=factor, slower=slower) for factor, slower in ((0.5, 0), (1, 3))]
    stepped = judge(measured + steps)["triage"].turn
    assert stepped.factor is None
    assert "The highest step at which it kept every bound is 0.5× this load" in stepped.sentence
    assert "Already past it" not in judge(measured)["summarize"].turn.sentence  # its bound is 20 s


def test_equal_verdicts_are_told_together_with_figures_from_the_lowest_to_the_highest() -> None:
    measured = [slowed(each, "triage", 0.5) for each in runs("simple", slower=4) + runs("queued", slower=3)]
    found = grouped(measured, tasks={})
    assert list(found) == ["language, summarize, triage"]
    told = found["language, summarize, triage"]
    assert told.take == "queued"
    assert re.match(
        r"Queued answers sooner: p95 of answers is 3\.\d to 3\.\d s on queued and 4\.\d to 4\.\d s", told.reason
    )
    assert told.reason.endswith("It still breaks the bound of 2 s on their answers.")
    assert told.turns == ["Already past it: queued breaks a bound at this load."]


def test_verdicts_that_differ_in_path_rule_or_broken_bound_are_told_apart() -> None:
    measured = runs("simple", slower=4) + runs("queued", slower=3)
    assert list(grouped(measured)) == ["language, triage", "summarize"]  # a bound of 20 s is kept
    ways = [slowed(each, "summarize", 30.0) for each in runs("simple")] + runs("queued", slower=0.05)
    assert {title: each.take for title, each in grouped(ways).items()} == {
        "language, triage": "simple",
        "summarize": "queued",
    }


@pytest.mark.parametrize(
    "measured",
    [
        runs("simple") + runs("queued"),
        runs("queued"),
        [dropped(run("simple")), *runs("queued")],
        [dropped(run("simple")), dropped(run("queued"))],
        runs("simple", slower=25) + runs("queued"),
        runs("simple", slower=0.05) + runs("queued", acks_slower=0.05),
        runs("simple", acks_slower=0.05) + runs("queued"),
    ],
)
def test_what_is_told_is_the_verdict_of_each_of_its_tasks(measured: list[Run]) -> None:
    for task, verdict in judge(measured).items():
        told = next(each for each in grouped(measured).values() if task in each.tasks)
        assert told.take == verdict.take
        if len(told.tasks) == 1:
            assert told.reason == verdict.reason


def test_a_gain_against_a_loss_is_a_draw() -> None:
    found = judge(runs("simple", slower=0.05) + runs("queued", acks_slower=0.05))["triage"]
    assert (found.take, found.rule) == ("simple", "conflict")


def test_the_path_that_leaves_less_undone_wins_over_the_faster_one() -> None:
    skipping = [skipped(each, 100) for each in runs("simple")]
    found = judge(skipping + runs("queued", slower=0.05))["triage"]
    assert (found.take, found.rule) == ("queued", "undone")
    refusing = [refused(each, 60) for each in runs("simple")]
    assert judge(refusing + runs("queued", slower=0.05))["triage"].rule == "undone"


def test_too_few_samples_cannot_tell() -> None:
    found = judge([without_answers(each) for each in runs("simple") + runs("queued")])["triage"]
    assert (found.take, found.rule) == ("simple", "unknown")


def test_few_samples_are_judged_by_a_lower_quantile() -> None:
    found = judge(runs("simple", 1, messages=15, slower=0.2) + runs("queued", 1, messages=15))["triage"]
    assert found.take == "queued"
    assert {each.quantile for each in found.comparisons if each.measure == "answer"} == {"p50"}


def test_auto_is_taken_when_it_beats_both() -> None:
    measured = runs("simple", slower=1.0) + runs("queued", slower=0.5) + runs("auto")
    assert {each.take for each in judge(measured).values()} == {"auto"}
    assert said(measured) == "Let auto choose."


def test_a_draw_between_queued_and_auto_goes_to_queued() -> None:
    assert {each.take for each in judge(runs("simple", slower=1.0) + runs("queued") + runs("auto")).values()} == {
        "queued"
    }


def test_tasks_may_go_different_ways() -> None:
    measured = [slowed(each, "summarize", 30.0) for each in runs("simple")] + runs("queued", slower=0.05)
    found = judge(measured)
    assert {task: each.take for task, each in found.items()} == {
        "language": "simple",
        "summarize": "queued",
        "triage": "simple",
    }
    assert said(measured) == "Stay simple, but take the queue for summarize."


def test_costs_name_the_parts_and_what_the_other_needs() -> None:
    found = judge(runs("simple") + runs("queued"))["triage"]
    assert found.parts == ["web process", "model server"]
    assert "2 parts fewer than queued (worker and broker)" in found.costs


def test_the_load_at_which_the_answer_changes_is_measured_by_steps() -> None:
    steps = [run("simple", kind="step", factor=factor, slower=slower) for factor, slower in ((1, 0), (2, 0), (4, 3))]
    steps += [run("queued", kind="step", factor=factor) for factor in (1, 2, 4)]
    turn = judge(runs("simple") + runs("queued", slower=0.05) + steps)["triage"].turn
    assert (turn.factor, turn.measured) == (4, True)
    assert "queued still keeps them" in turn.sentence
    assert judge(runs("simple") + runs("queued") + steps)["summarize"].turn.factor is None  # its bound is 20 s


def test_steps_that_break_both_paths_do_not_change_the_answer() -> None:
    steps = [run(path, kind="step", factor=2, slower=3) for path in ("simple", "queued")]
    turn = judge(runs("simple") + runs("queued") + steps)["triage"].turn
    assert (turn.factor, turn.measured) == (None, True)


def test_without_steps_the_load_is_an_estimate_and_says_so() -> None:
    turn = judge(runs("simple") + runs("queued"))["triage"].turn
    assert not turn.measured
    assert turn.sentence.startswith("Estimate, not measured")


def test_places_are_full_by_littles_law() -> None:
    measured = report(runs("simple", messages=2400) + runs("queued", messages=2400))
    found = {**MACHINE, "cores": 1000, "max_inflight": 4}
    turn = verdicts(figures(measured.runs, BOUNDS), BOUNDS, found)[0].turn
    # 80 messages/s with a language (4 ms), a triage (12 ms) and every twelfth a summary (400 ms): about 4 at once
    assert turn.factor == pytest.approx(1.0, rel=0.15)
    assert "MAX_INFLIGHT" in turn.sentence


@given(
    st.lists(st.floats(1, 5000), min_size=1, max_size=6),
    st.lists(st.floats(1, 5000), min_size=1, max_size=6),
)
def test_who_is_better_does_not_depend_on_who_is_asked_first(left: list[float], right: list[float]) -> None:
    there, back = (compare("answer", "p50", one, other) for one, other in _both(left, right))
    opposite = {"better": "worse", "worse": "better", "draw": "draw"}
    assert back.result == opposite[there.result]


@given(st.lists(st.floats(1, 5000), min_size=1, max_size=6))
def test_nothing_differs_from_itself(values: list[float]) -> None:
    assert compare("answer", "p50", ("a", _times(values)), ("b", _times(values))).result == "draw"


def _both(left: list[float], right: list[float]) -> list[tuple[tuple[str, Times], tuple[str, Times]]]:
    one, other = ("a", _times(left)), ("b", _times(right))
    return [(one, other), (other, one)]


def _times(repeats: list[float]) -> Times:
    middle = sorted(repeats)[len(repeats) // 2]
    figure = Figure(middle, list(repeats), min(repeats), max(repeats))
    none = Figure(None)
    return Times(len(repeats), 0, middle, figure, none, none)


def _changed(measured: Run, task: str, count: int, state: str) -> list[JobTimes]:
    jobs, left = [], count
    for job in measured.jobs:
        change = job.task == task and left > 0
        left -= change
        jobs.append(msgspec.structs.replace(job, state=state) if change else job)
    return jobs


def skipped(measured: Run, count: int) -> Run:
    """The run with its first triages skipped."""
    return msgspec.structs.replace(measured, jobs=_changed(measured, "triage", count, "skipped"))


def without_answers(measured: Run) -> Run:
    """The run with all triages cancelled."""
    return msgspec.structs.replace(measured, jobs=_changed(measured, "triage", len(measured.jobs), "cancelled"))


def refused(measured: Run, count: int) -> Run:
    """The run with so many messages more, all of them refused."""
    return msgspec.structs.replace(measured, acks=[*measured.acks, *[Ack(1.0, 1.01, "busy")] * count])


def slowed(measured: Run, task: str, seconds: float) -> Run:
    """The run with every answer of one task later."""
    jobs = [
        msgspec.structs.replace(job, final=job.final + seconds) if job.task == task and job.final is not None else job
        for job in measured.jobs
    ]
    return msgspec.structs.replace(measured, jobs=jobs)
