"""What follows an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from app import messages
from app.jobs import ledger
from app.jobs.job import Job, JobError, Outcome
from app.jobs.outcome import LONGEST_WAIT, Settled, finish_quietly, settle, wait_before
from app.messages import Message
from app.tasks import Task
from tests.jobs.conftest import NOW, shadow

Accept = Callable[..., Job]
Settle = Callable[..., Settled]


@pytest.fixture
def end(connection: Connection, tasks: Mapping[str, Task]) -> Settle:
    """Settles an outcome of a job's attempt."""

    def settled(job: Job, outcome: Outcome, attempt: int = 1, now: float = NOW) -> Settled:
        return settle(connection, tasks, job.id, attempt, outcome, now)

    return settled


def good(text: str = "hello") -> Outcome:
    """A success that is said in the room."""
    return Outcome(state="succeeded", result={"text": text}, ms=1.0)


def bad(retryable: bool = False, retry_after: float | None = None) -> Outcome:
    """A failure."""
    return Outcome(state="failed", error=JobError("broken", "it broke", retryable, retry_after), ms=1.0)


def jobs(settled: Settled) -> list[tuple[str, str]]:
    """Which jobs are shown, in which state."""
    return [(each.id, each.state) for each in settled.shown if isinstance(each, Job)]


def said(settled: Settled) -> list[tuple[str, str]]:
    """What is said in the room, and by which kind of voice."""
    return [(each.kind, each.text) for each in settled.shown if isinstance(each, Message)]


def stored(connection: Connection, job: Job) -> Job:
    """The job as the ledger has it."""
    found = ledger.find(connection, job.id)
    assert found
    return found


def test_the_first_outcome_wins(connection: Connection, accept: Accept, end: Settle) -> None:
    job = accept()
    assert jobs(end(job, good("first"))) == [(job.id, "succeeded")]
    late = end(job, good("second"))
    assert (late.shown, late.accepted, late.retry) == ([], [], None)
    assert late.dropped
    assert [m.text for m in messages.after(connection, "lobby", 0, 10)] == ["first"]
    assert msgspec.json.decode(stored(connection, job).result or "") == {"text": "first"}


def test_an_outcome_of_an_older_attempt_is_dropped(connection: Connection, accept: Accept, end: Settle) -> None:
    job = accept()
    end(job, bad(retryable=True))
    assert end(job, good("stale"), attempt=1).dropped
    assert stored(connection, job).state == "retrying"
    assert jobs(end(job, good(), attempt=2)) == [(job.id, "succeeded")]


def test_an_outcome_of_an_attempt_that_was_never_started_is_dropped(accept: Accept, end: Settle) -> None:
    assert end(accept(), good(), attempt=2).dropped


def test_an_outcome_of_an_unknown_job_is_dropped(end: Settle, accept: Accept) -> None:
    assert end(msgspec.structs.replace(accept(), id="unknown"), good()).dropped


def test_a_retryable_failure_gets_the_next_attempt(connection: Connection, accept: Accept, end: Settle) -> None:
    job = accept()
    settled = end(job, bad(retryable=True))
    assert settled.retry is not None
    assert (settled.retry.attempt, settled.retry.state) == (2, "retrying")
    assert jobs(settled) == [(job.id, "retrying")]
    assert NOW <= (settled.retry.due or 0) <= NOW + LONGEST_WAIT
    assert stored(connection, job).due == settled.retry.due
    assert said(settled) == []


def test_retry_after_is_honoured(accept: Accept, end: Settle) -> None:
    settled = end(accept(), bad(retryable=True, retry_after=300))
    assert settled.retry is not None
    assert (settled.retry.due or 0) >= NOW + 300


def test_the_last_attempt_makes_a_dead_letter_that_keeps_every_error(
    connection: Connection, accept: Accept, end: Settle
) -> None:
    job = accept(key="k")
    for attempt in (1, 2):
        assert end(job, bad(retryable=True), attempt=attempt).retry is not None
    settled = end(job, bad(retryable=True), attempt=3)
    assert settled.retry is None
    assert jobs(settled) == [(job.id, "failed")]
    dead = stored(connection, job)
    assert dead.dead
    assert [each["attempt"] for each in msgspec.json.decode(dead.errors or "[]")] == [1, 2]
    assert msgspec.json.decode(dead.error or "")["code"] == "broken"
    assert msgspec.json.decode(dead.args) == {"text": "hi"}


def test_a_failure_that_is_not_retryable_is_final_at_once(connection: Connection, accept: Accept, end: Settle) -> None:
    job = accept()
    assert jobs(end(job, bad())) == [(job.id, "failed")]
    assert stored(connection, job).dead


def test_a_retry_that_would_come_after_the_deadline_is_not_made(
    connection: Connection, accept: Accept, end: Settle
) -> None:
    job = accept()
    settled = end(job, bad(retryable=True, retry_after=1000))
    assert settled.retry is None
    assert stored(connection, job).dead


def test_a_failure_is_told_to_who_asked_and_not_for_jobs_that_start_by_themselves(accept: Accept, end: Settle) -> None:
    assert [kind for kind, _ in said(end(accept(key="k"), bad()))] == ["system"]
    assert said(end(accept(room="other", message=1), bad())) == []


def test_a_result_that_is_not_what_the_task_promises_is_a_failure(
    connection: Connection, accept: Accept, end: Settle
) -> None:
    for result in ("text", {"text": 7}, None):
        job = accept(room=f"room-{result}"[:20])
        assert jobs(end(job, Outcome(state="succeeded", result=result))) == [(job.id, "failed")]
        assert msgspec.json.decode(stored(connection, job).error or "")["code"] == "result_invalid"


def test_words_that_cannot_be_made_are_a_failure_of_that_job_alone(accept: Accept, end: Settle) -> None:
    job = accept()  # echo says result["text"], which is not there
    assert jobs(end(job, Outcome(state="succeeded", result={}))) == [(job.id, "failed")]


def test_a_result_without_words_says_nothing(accept: Accept, end: Settle) -> None:
    job = accept()
    settled = end(job, good(""))
    assert (jobs(settled), said(settled)) == ([(job.id, "succeeded")], [])


def test_answers_wait_for_those_asked_before(connection: Connection, accept: Accept, end: Settle) -> None:
    first, second, third = accept(), accept(), accept()
    for job, text in ((third, "3"), (second, "2")):
        settled = end(job, good(text))
        assert (settled.shown, settled.accepted) == ([], [])
        assert stored(connection, job).state == "succeeded"
        assert not stored(connection, job).delivered
    settled = end(first, good("1"))
    assert jobs(settled) == [(first.id, "succeeded"), (second.id, "succeeded"), (third.id, "succeeded")]
    assert said(settled) == [("ml", "1"), ("ml", "2"), ("ml", "3")]
    assert [m.text for m in messages.after(connection, "lobby", 0, 10)] == ["1", "2", "3"]


def test_a_head_that_is_tried_again_still_blocks_and_its_failure_frees(accept: Accept, end: Settle) -> None:
    first, second = accept(), accept()
    end(first, bad(retryable=True))
    assert end(second, good()).shown == []
    assert jobs(end(first, bad(), attempt=2)) == [(first.id, "failed"), (second.id, "succeeded")]


def test_a_head_without_an_answer_frees_those_behind(
    connection: Connection, tasks: Mapping[str, Task], accept: Accept, end: Settle
) -> None:
    first, second, third = accept(), accept(), accept()
    end(second, good("2"))
    settled = finish_quietly(connection, tasks, first, "cancelled", NOW)
    assert jobs(settled) == [(first.id, "cancelled"), (second.id, "succeeded")]
    assert jobs(end(third, good("3"))) == [(third.id, "succeeded")]
    assert end(first, good("too late")).dropped


def test_other_rooms_and_tasks_do_not_wait(accept: Accept, end: Settle) -> None:
    accept()
    for job in (accept(room="other"), accept(task=shadow)):
        result: dict[str, Any] = {"text": "x"}
        assert jobs(end(job, Outcome(state="succeeded", result=result))) == [(job.id, "succeeded")]


def test_delivering_a_job_accepts_the_one_that_follows(connection: Connection, accept: Accept, end: Settle) -> None:
    job = accept(message=4)
    settled = end(job, good("chain"))
    (child,) = settled.accepted
    assert (child.task, child.message, child.sender_id) == ("shadow", 4, "ann")
    assert msgspec.json.decode(child.args) == {"echo": {"text": "chain"}}
    assert stored(connection, child).state == "accepted"


def test_what_follows_waits_for_delivery_and_does_not_follow_a_failure(accept: Accept, end: Settle) -> None:
    first, second = accept(), accept()
    assert end(second, good()).accepted == []
    settled = end(first, bad())
    assert len(settled.accepted) == 1


def test_waits_grow_and_are_spread() -> None:
    for attempt in range(1, 12):
        waits = [wait_before(attempt, None) for _ in range(50)]
        assert all(0 <= wait <= LONGEST_WAIT for wait in waits)
        assert len(set(waits)) > 40
    assert max(wait_before(1, None) for _ in range(200)) <= 1.0
    assert max(wait_before(8, None) for _ in range(200)) > 30
