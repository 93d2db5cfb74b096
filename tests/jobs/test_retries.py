"""When an attempt that failed is followed by another."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contract import JobError
from app.controls.rules import AS_DECLARED, FIRST_WAIT, LONGEST_WAIT, Retries
from app.jobs.job import INTERRUPTED, MAX_DEATHS, STOPPED, Job
from app.jobs.retries import next_attempt
from app.tasks import task

BROKEN = JobError("broken", "it broke", retryable=True)


@task(attempts=3)
def echo(text: str) -> dict[str, str]:
    """Says it again"""
    return {"text": text}


def job(**values: Any) -> Job:
    """A job with three attempts and much time."""
    given = {"attempt": 1, "attempts": 3, "deadline": time.time() + 900, **values}
    return Job(n=1, id="i", room="r", task="echo", args="{}", path="simple", at=0.0, **given)


@given(st.integers(1, 2000), st.one_of(st.none(), st.floats(0, 1000)))
def test_a_wait_is_within_its_bounds(tries: int, retry_after: float | None) -> None:
    wait = AS_DECLARED.wait(tries, retry_after)
    assert (retry_after or 0.0) <= wait <= max(LONGEST_WAIT, retry_after or 0.0)
    assert wait <= max(FIRST_WAIT * 2.0 ** min(tries, 20), retry_after or 0.0)


def test_a_retryable_failure_is_followed_by_another_attempt_until_there_are_none_left() -> None:
    again = next_attempt(job(), echo, BROKEN)
    assert again is not None
    assert (again["attempt"], again["attempts"], again["counts"]) == (2, 3, True)
    assert next_attempt(job(attempt=3), echo, BROKEN) is None


@pytest.mark.parametrize("error", [None, JobError("broken", "it broke")])
def test_what_is_not_retryable_is_not_tried_again(error: JobError | None) -> None:
    assert next_attempt(job(), echo, error) is None


def test_a_deploy_is_no_failure() -> None:
    again = next_attempt(job(attempt=3), echo, JobError(STOPPED, "a worker was told to stop", retryable=True))
    assert again is not None
    assert (again["attempt"], again["attempts"], again["counts"]) == (4, 4, False)
    assert again["due"] <= time.time()


def test_an_attempt_past_the_deadline_would_be_in_vain() -> None:
    assert next_attempt(job(deadline=time.time() - 1), echo, BROKEN) is None
    late = JobError("busy", "come back later", retryable=True, retry_after=1000)
    assert next_attempt(job(), echo, late) is None


def test_what_ends_the_process_each_time_is_not_tried_for_ever() -> None:
    cut_off = JobError(INTERRUPTED, "the process ended", retryable=True)
    assert next_attempt(job(deaths=MAX_DEATHS - 1), echo, cut_off) is not None
    assert next_attempt(job(deaths=MAX_DEATHS), echo, cut_off) is None
    assert next_attempt(job(deaths=MAX_DEATHS), echo, BROKEN) is not None


def test_a_replayed_job_waits_as_one_that_was_never_tried() -> None:
    for _ in range(50):
        again = next_attempt(job(attempt=101, attempts=103), echo, BROKEN)
        assert again is not None
        assert again["due"] - time.time() <= FIRST_WAIT * 2


def test_a_job_whose_task_is_gone_is_tried_again_all_the_same() -> None:
    assert next_attempt(job(attempt=2), None, BROKEN) is not None


@given(
    st.sampled_from(["full", "equal", "none"]),
    st.floats(0, 100),
    st.floats(0, 100),
    st.integers(1, 2000),
    st.one_of(st.none(), st.floats(0, 1000)),
)
def test_what_is_set_bounds_each_wait_and_retry_after_is_never_cut_short(
    jitter: Any, least: float, more: float, tries: int, retry_after: float | None
) -> None:
    wait = Retries(min_wait_s=least, max_wait_s=least + more, jitter=jitter).wait(tries, retry_after)
    assert max(least, retry_after or 0.0) <= wait <= max(least + more, retry_after or 0.0)


def test_without_jitter_a_wait_doubles_from_the_shortest_to_the_longest() -> None:
    retries = Retries(min_wait_s=2, max_wait_s=10, jitter="none")
    assert [retries.wait(tries, None) for tries in (1, 2, 3, 4, 5)] == [2, 4, 8, 10, 10]
    assert retries.wait(1, 1.0) == 2
    assert retries.wait(1, 30.0) == 30


def test_the_statuses_that_are_set_decide_and_what_had_none_is_judged_as_ever() -> None:
    retries = Retries(codes=[404, 429])
    assert next_attempt(job(), echo, JobError("model_refused", "gone", status=404), retries) is not None
    assert next_attempt(job(), echo, JobError("model_unavailable", "down", retryable=True, status=503), retries) is None
    assert next_attempt(job(), echo, BROKEN, retries) is not None
    assert next_attempt(job(), echo, JobError("task_error", "no"), retries) is None


def test_the_attempts_that_are_set_count_for_jobs_that_were_accepted_before() -> None:
    assert next_attempt(job(attempt=3), echo, BROKEN, Retries(attempts=5)) is not None
    assert next_attempt(job(attempt=5), echo, BROKEN, Retries(attempts=5)) is None
    assert next_attempt(job(attempt=1), echo, BROKEN, Retries(attempts=1)) is None
    replayed = job(attempt=4, attempts=6)  # its fourth attempt is the first of another life
    assert next_attempt(replayed, echo, BROKEN, Retries(attempts=2)) is not None
    assert next_attempt(job(attempt=5, attempts=6), echo, BROKEN, Retries(attempts=2)) is None
