"""Figures are what the samples say, and nothing that they do not say."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.compare.figures import STATES, figures, highest_known_quantile, times
from app.compare.samples import Ack, JobTimes, Run, Use, VariantFigures
from tests.compare.samples import dropped, run, runs

BOUNDS = {"ack_ms": 100.0, "answer_s": 2.0, "tasks": {"summarize": 20.0}}


def only(*measured: Run) -> VariantFigures:
    """The figures of the one variant in these runs."""
    (found,) = figures(measured, BOUNDS).values()
    return found


def empty(**changed: object) -> Run:
    """A run in which nothing happened."""
    nothing = Run(variant="simple", repeat=1, seconds=10.0, drained=0.0, acks=[], jobs=[], uses=[])
    return msgspec.structs.replace(nothing, **changed)


def acked(*waits: float | None) -> Run:
    """A run of messages that were all due at 0."""
    return empty(acks=[Ack(0.0, wait, "ok" if wait is not None else "no_ack") for wait in waits])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_a_quantile_is_one_of_the_samples_and_no_more_than_its_share_lies_above(waits: list[float]) -> None:
    found = only(acked(*waits)).ack
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        value = getattr(found, name).value
        if value is not None:
            assert any(math.isclose(value, wait * 1000, abs_tol=0.001) for wait in waits)
            assert sum(wait * 1000 > value + 0.001 for wait in waits) <= (1 - share) * len(waits) + 1e-6
    assert found.n == len(waits)


@pytest.mark.parametrize(
    ("n", "known"), [(12, ["p50"]), (19, ["p50"]), (20, ["p50", "p95"]), (100, ["p50", "p95", "p99"])]
)
def test_a_quantile_of_too_few_samples_is_left_out_and_says_so(n: int, known: list[str]) -> None:
    found = only(acked(*[0.01] * n)).ack
    for name in ("p50", "p95", "p99"):
        figure = getattr(found, name)
        assert (figure.value is not None) == (name in known)
        assert figure.note == ("" if name in known else "too few")
    assert highest_known_quantile(found, "p99") == (known[-1], 10.0)


def test_without_samples_there_is_no_figure() -> None:
    found = only(empty())
    assert found.ack.n == 0
    assert found.ack.p50.value is None
    assert found.jobs_per_s.value is None
    assert highest_known_quantile(found.ack, "p99") is None


def test_a_message_that_was_never_acked_counts_as_the_worst_and_is_not_dropped() -> None:
    found = only(acked(*[0.01] * 97, None, None, None)).ack
    assert (found.n, found.never) == (100, 3)
    assert found.p95.value == 10.0
    assert found.p99.value == 10_000.0  # the whole run
    assert found.p99.note == "never"


def test_ack_times_are_those_of_messages_that_were_accepted() -> None:
    refused = [Ack(0.0, 0.001, "busy") for _ in range(50)]
    asked = [Ack(0.0, 5.0, "ok", "summarize")]
    found = only(empty(acks=[Ack(0.0, 0.02, "ok")] * 50 + refused + asked))
    assert (found.ack.n, found.ack.p50.value) == (50, 20.0)
    assert found.messages == {"busy": 50, "ok": 50}
    assert found.refused.value == 50.0


def test_waits_are_counted_from_the_moment_a_message_was_due() -> None:
    late = Ack(2.0, 5.0, "ok")  # its sender was held up until 4.9: that is the system's doing
    assert only(empty(acks=[late])).ack.p50.value == 3000.0


def test_how_late_the_clients_were_is_counted_apart() -> None:
    found = only(
        empty(acks=[Ack(1.0, 1.5, "ok", "", 1.2), Ack(1.0, 1.5, "ok", "summarize", 1.3), Ack(1.0, None, "no_ack")])
    )
    assert (found.late.n, found.late.p50.value) == (2, 200.0)
    assert found.ack.n == 2


def test_the_spread_is_between_repeats() -> None:
    found = only(
        *(empty(repeat=number, acks=[Ack(0.0, wait, "ok")] * 30) for number, wait in ((1, 0.01), (2, 0.03), (3, 0.02)))
    )
    assert found.ack.p95.repeats == [10.0, 30.0, 20.0]
    assert (found.ack.p95.low, found.ack.p95.high, found.ack.p95.spread) == (10.0, 30.0, 20.0)
    assert found.ack.p99.repeats == []


def test_one_repeat_has_no_spread() -> None:
    assert only(acked(0.1)).ack.p50.spread is None


@given(
    st.lists(st.sampled_from(["succeeded", "failed", "cancelled", "skipped", "lost"]), max_size=60), st.integers(0, 20)
)
def test_jobs_by_state_add_up_to_those_offered(ends: list[str], refused: int) -> None:
    jobs = [JobTimes("triage", "simple", end, 0.0, 0.1, 0.2, None if end == "lost" else 0.3, 1.0, 1) for end in ends]
    found = only(empty(jobs=jobs, acks=[Ack(0.0, 0.1, "busy", "triage")] * refused))
    assert list(found.states) == list(STATES)
    assert sum(found.states.values()) == found.offered == len(ends) + refused
    assert sum(sum(each.states.values()) for each in found.tasks.values()) == found.offered
    assert found.states["refused"] == refused


def test_a_job_dropped_by_hand_is_counted_lost() -> None:
    whole, holed = run(), dropped(run())
    assert only(whole).lost == 0
    found = only(holed)
    assert found.lost == 1
    assert found.states["lost"] == 1
    assert found.offered == only(whole).offered
    assert found.tasks[holed.jobs[0].task].answer.never == 1


def test_what_the_audit_and_the_clients_miss_is_not_counted_twice() -> None:
    holed = dropped(run())
    assert only(msgspec.structs.replace(holed, lost=1)).lost == 1
    assert only(msgspec.structs.replace(holed, lost=3)).lost == 3


def test_a_request_without_an_ack_is_neither_forgotten_nor_a_job() -> None:
    found = only(empty(acks=[Ack(0.0, None, "no_ack", "summarize")]))
    assert (found.unanswered, found.offered) == (1, 0)


def test_what_was_lost_in_a_run_of_any_kind_counts() -> None:
    found = only(
        run(), msgspec.structs.replace(run(kind="kill worker"), lost=2, findings=["two are gone"], recovery=1.5)
    )
    assert found.lost == 2
    assert found.kills[0].part == "worker"
    assert found.kills[0].recovery == 1.5
    assert found.findings == ["two are gone"]
    assert found.runs == 1


def test_only_runs_at_the_workloads_own_load_make_its_times() -> None:
    plain, with_others = only(run()), only(run(), run(kind="overload", factor=2.0, slower=5.0))
    assert with_others.answer == plain.answer
    assert (with_others.loads[0].answer.p50.value or 0) > 5000
    assert [each.what for each in with_others.loads[0].broken] == ["language", "triage"]  # summarize may take 20 s


def test_the_highest_step_that_holds_is_below_the_first_that_does_not() -> None:
    steps = [(1.0, 0.0), (2.0, 0.0), (3.0, 0.3), (4.0, 0.0)]
    found = only(run(), *(run(kind="step", factor=factor, acks_slower=slower) for factor, slower in steps))
    assert found.holds == 2.0
    assert only(run(), run(kind="step", acks_slower=0.3)).holds is None


def test_processor_time_is_for_the_jobs_that_ended_and_memory_is_the_peak() -> None:
    jobs = [JobTimes("triage", "simple", "succeeded", 0.0, 0.1, 0.2, 0.3, 1.0, 1)] * 10
    uses = [
        Use(0.0, "web process", 0.0, 50.0, 3),
        Use(5.0, "web process", 2.0, 90.0, 9),
        Use(9.0, "web process", 4.0, 70.0, 5),
    ]
    part = only(empty(jobs=jobs, uses=uses)).parts["web process"]
    assert (part.cpu, part.cpu_per_1000.value, part.mb.value, part.sockets) == (4.0, 400.0, 90.0, 9)


def test_jobs_a_second_run_from_the_first_due_to_the_last_answer() -> None:
    jobs = [JobTimes("triage", "simple", "succeeded", at, at, at, at + 1, 1.0, 1) for at in (0.0, 1.0, 3.0)]
    assert only(empty(jobs=jobs)).jobs_per_s.value == 0.75


def test_the_turns_in_which_variants_ran_change_nothing() -> None:
    simple, queued = runs("simple"), runs("queued")
    in_turns = [each for pair in zip(queued, simple, strict=True) for each in pair]
    assert figures(in_turns, BOUNDS) == figures(simple + queued, BOUNDS)
    assert list(figures(in_turns, BOUNDS)) == ["simple", "queued"]


def test_times_of_nothing_are_empty() -> None:
    assert times(lambda _: [], []).n == 0
