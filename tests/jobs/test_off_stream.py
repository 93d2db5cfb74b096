"""Runs whose message came off the stream: their worker is looked after, for nobody gives them to another when it dies."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from app.contract import Doing, Outcome, WorkerDoing
from app.jobs import ledger
from app.jobs.job import Job
from app.jobs.off_stream import LOOK_SECONDS, SILENT_SECONDS
from app.tasks import Task, task
from tests.jobs.process import Process

FINE = Outcome(state="succeeded", result=b'{"text": "x"}')
Start = Callable[..., Process]


@task(deadline=1000)
def recite(text: str) -> dict[str, str]:
    """Is asked for"""
    return {"text": text}


TASKS: dict[str, Task] = {"recite": recite}


def begin(start: Start, **more: Any) -> Process:
    """A process whose jobs are at workers."""
    return start(TASKS, flag=lambda name, room: "queued", **more)


def ask(process: Process) -> Job:
    """Ann asks for one, and the broker has it."""
    process.ask(process.guest("ann", "lobby"), "job:create", room="lobby", key="k", task="recite", args={"text": "x"})
    process.turn()
    (job,) = process.life.jobs.values()
    job.stream_seq = 1  # as its confirmation says
    return job


def runs(process: Process, job: Job) -> Job:
    """Its worker says that it runs."""
    process.life.announced(job.id, 1, "a", None)
    process.broker.doing = [WorkerDoing("w", ["ml"], 1, [Doing(job.id, job.task, job.room, 1.0)])]
    process.turn()
    return job


def put(process: Process, paused: bool) -> None:
    """An operator pauses the task, or lets it go on."""
    process.own.run(process.controls.put_task("recite", {"paused": paused}))
    process.turn()


def wait(process: Process, seconds: float = SILENT_SECONDS + 2 * LOOK_SECONDS) -> None:
    """Time passes, and it is looked after meanwhile."""
    for _ in range(int(seconds / LOOK_SECONDS)):
        process.pass_time(LOOK_SECONDS)
        process.own.run(process.off_stream.look())
        process.turn()


@pytest.fixture
def process(start: Start) -> Process:
    return begin(start)


@pytest.fixture
def job(process: Process) -> Job:
    """It runs since before a pause, which took it off the stream; and its task goes on."""
    job = runs(process, ask(process))
    put(process, paused=True)
    put(process, paused=False)
    process.broker.handed_over.clear()
    return job


def test_it_is_given_out_again_once_no_worker_is_heard_to_run_it(process: Process, job: Job) -> None:
    wait(process)
    assert process.broker.handed_over == []
    process.broker.doing = []
    wait(process)
    assert process.broker.handed_over == [(job.id, 1)]
    process.life.announced(job.id, 1, "b", None)
    process.result(job.id, 1, FINE)
    process.turn()
    assert (process.stored(job.id).state, process.stored(job.id).deaths) == ("succeeded", 0)


def test_it_is_not_given_out_again_while_its_task_is_paused(process: Process, job: Job) -> None:
    put(process, paused=True)
    process.broker.doing = []
    wait(process)
    assert (process.broker.handed_over, process.stored(job.id).state) == ([], "running")
    put(process, paused=False)
    wait(process, LOOK_SECONDS)
    assert process.broker.handed_over == [(job.id, 1)]


def test_nobody_counts_as_gone_who_cannot_be_heard(process: Process, job: Job) -> None:
    process.broker.is_away, process.broker.doing = True, []
    wait(process, 60)
    assert process.stored(job.id).state == "running"
    process.broker.is_away = False
    wait(process)
    assert process.broker.handed_over == [(job.id, 1)]


def test_the_next_process_looks_after_it_too_and_does_not_run_it_twice(
    process: Process, job: Job, start: Start
) -> None:
    process.kill()
    again = begin(start, broker=process.broker)
    wait(again)
    assert process.broker.handed_over == []
    process.broker.doing = []
    wait(again)
    assert process.broker.handed_over == [(job.id, 1)]


def test_where_people_have_seen_a_part_of_its_text_it_is_another_attempt(process: Process, job: Job) -> None:
    process.life.wrote(job.id, 1, "a", 0, "as far as")
    process.turn()
    process.pass_time(1)
    process.turn()
    process.broker.doing = []
    wait(process)
    assert process.broker.handed_over == [(job.id, 2)]
    assert process.stored(job.id).deaths == 0


def test_a_job_that_runs_on_a_server_that_stays_away_is_looked_after(process: Process) -> None:
    job = runs(process, ask(process))
    process.broker.handed_over.clear()
    process.own.run(process.held_back.strand((0, 10)))
    wait(process)
    assert process.broker.handed_over == []
    process.broker.doing = []
    wait(process)
    assert process.broker.handed_over == [(job.id, 1)]


def test_what_waits_on_a_server_that_stays_away_starts_elsewhere(process: Process) -> None:
    job = ask(process)
    process.life.park(job, 1, 1)
    process.turn()
    process.broker.handed_over.clear()
    process.own.run(process.held_back.strand((0, 10)))
    process.turn()
    assert process.broker.handed_over == [(job.id, 1)]


def test_what_is_given_out_is_not_taken_up_from_the_ledger_as_well(process: Process) -> None:
    job = ask(process)
    process.life.park(job, 1, 1)
    process.turn()
    found = process.own.run(process.life.find(job.id))  # in memory again, while its row says that it is not
    assert found is not None
    process.broker.handed_over.clear()
    process.own.run(process.store.change(lambda connection: ledger.hold_back(connection, [(0, 10)])))
    lock = sqlite3.connect(process.folder / "x.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")  # so that it is looked for while its launch is not committed
    process.held_back.launch([found])
    process.held_back.take_up()
    for _ in range(3):
        process.own.rounds(20)
        process.own.run(process.store.read(lambda connection: None))
    lock.execute("ROLLBACK")
    lock.close()
    process.turn()
    assert process.broker.handed_over == [(job.id, 1)]
