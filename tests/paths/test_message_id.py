"""The number under which the broker knows an attempt."""

from __future__ import annotations

from app.paths.jetstream import message_id
from tests.paths.conftest import NewJob


def test_it_is_the_same_each_time_and_another_after_a_pause_that_took_it_off_the_stream(new_job: NewJob) -> None:
    job = new_job(path="queued")
    plain = f"{job.id}.1"
    assert message_id(job, 0.0) == plain
    assert message_id(job, job.at + 10) not in (plain, message_id(job, job.at + 20))
    assert message_id(job, job.at - 10) == plain


def test_it_is_another_too_where_the_job_was_accepted_as_the_pause_began(new_job: NewJob) -> None:
    """It was published all the same: a process hears of a pause half a second later."""
    job = new_job(path="queued")
    assert message_id(job, job.at - 0.6) != f"{job.id}.1"
