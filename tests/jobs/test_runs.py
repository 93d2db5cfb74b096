"""Runs of one attempt: a run that nobody has heard of is the death of the one before it, unless we gave it out again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.jobs import runs
from app.jobs.job import MAX_DEATHS, Job
from app.jobs.transitions import Launch
from app.tasks import Task, task
from tests.jobs.process import Process


@task
def recite(text: str) -> dict[str, str]:
    """Is asked for"""
    return {"text": text}


TASKS: dict[str, Task] = {"recite": recite}


@pytest.fixture
def process(start: Callable[..., Process]) -> Process:
    """One whose jobs are at workers."""
    return start(TASKS, flag=lambda name, room: "queued")


@pytest.fixture
def job(process: Process) -> Job:
    """One of Ann's."""
    process.ask(process.guest("ann", "lobby"), "job:create", room="lobby", key="k", task="recite", args={"text": "x"})
    process.turn()
    (job,) = process.life.jobs.values()
    return job


def announce(process: Process, job: Job, *names: str) -> Job:
    """Workers say one after the other that these runs go on; returns the job as it is stored."""
    for name in names:
        process.life.announced(job.id, 1, name, None)
        process.turn()
    return process.stored(job.id)


def test_runs_that_report_in_turns_are_one_death_at_most(process: Process, job: Job) -> None:
    stored = announce(process, job, *["a", "b"] * 4)
    assert (stored.state, stored.deaths) == ("running", 1)


def test_each_run_that_nobody_has_heard_of_is_a_death_up_to_poison(process: Process, job: Job) -> None:
    stored = announce(process, job, "a", "b", "c")
    assert (stored.state, stored.deaths) == ("running", MAX_DEATHS - 1)
    assert announce(process, job, "d").state == "failed"


def test_what_we_give_out_again_is_no_death_and_the_run_before_may_be_well(process: Process, job: Job) -> None:
    announce(process, job, "a")
    for name in ("b", "c", "d", "e"):
        process.store.add(Launch(process.life, process.life.jobs[job.id]))
        process.turn()
        stored = announce(process, job, name, "a")
    assert (stored.state, stored.deaths) == ("running", 0)


def test_a_run_that_reports_before_the_one_that_was_asked_for_does_not_stand_for_it(process: Process, job: Job) -> None:
    announce(process, job, "a")
    process.store.add(Launch(process.life, job))
    process.turn()
    assert announce(process, job, "a", "b").deaths == 0
    assert announce(process, job, "c").deaths == 1


def test_names_are_words_and_not_kept_without_end(job: Job) -> None:
    for number in range(100):
        runs.note(job, f"{number} of a\nforeign worker")
    assert runs.is_known(job, "99 of a foreign worker")
    assert runs.newest(job) == "99_of_a_foreign_worker"
    assert len((job.run or "").split(" ")) == runs.MAX_NAMES
    runs.note(job, " ")
    assert runs.is_known(job, "")
