"""A job that is to start later: parked until it is due, and then a job like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.auth.grant import open_to
from app.chat.services import Ack
from app.contract import NewJob, Outcome, Person
from app.payload import Refused
from app.tasks import Task, task
from tests.jobs.process import Guest, Process, now
from tests.own_loop import wall_clock_of

DAY = 86_400.0


@task(ordered=True, deadline=6000)
def recite(text: str) -> dict[str, str]:
    """Is asked for, and answered in order"""
    return {"text": text}


TASKS: dict[str, Task] = {"recite": recite}
ADA = Person("ada", "Ada")


@pytest.fixture
def process(start: Callable[..., Process]) -> Iterator[Process]:
    with_clock: list[Process] = []

    def ahead() -> float:
        return with_clock[-1].own.clock.ahead if with_clock else 0.0

    with wall_clock_of(ahead):
        made = start(TASKS, max_backlog=0)
        with_clock.append(made)
        yield made


def ask(process: Process, key: str, delay_s: float = 0.0, **more: Any) -> Ack:
    """A program asks for a job."""
    job = NewJob(task="recite", key=key, args={"text": key}, delay_s=delay_s, **more)
    ack = process.own.run(process.services.ask(ADA, None, "lobby", job))
    process.turn()
    return ack


def answered(guest: Guest) -> list[str]:
    """Keys of the jobs whose answers somebody saw, in this order."""
    return [data["key"] for event, data in guest.received if event == "job:update" and data["state"] == "succeeded"]


def only(process: Process) -> Any:
    """The only job of the ledger."""
    (job,) = process.all_jobs().values()
    return job


def test_it_is_accepted_with_its_time_and_shown_to_the_room(process: Process) -> None:
    ann = process.guest("ann", "lobby")
    before = now()
    ask(process, "a", DAY)
    (shown,) = [data for event, data in ann.received if event == "job:update"]
    assert (shown["state"], shown["key"]) == ("accepted", "a")
    assert shown["due"].endswith("Z")
    job = only(process)
    assert job.parked
    assert before + DAY <= job.due <= now() + DAY
    assert job.deadline == pytest.approx(job.due + 6000, abs=1)
    assert process.runs == []
    assert process.life.jobs == {}


def test_it_is_not_counted_among_those_that_wait(process: Process) -> None:
    """MAX_BACKLOG is 0 here: nothing else is accepted."""
    ask(process, "a", 10)
    with pytest.raises(Refused) as refused:
        ask(process, "b")
    assert refused.value.code == "busy"


def test_it_starts_when_it_is_due(process: Process) -> None:
    ask(process, "a", DAY)
    process.pass_time(DAY - 5)
    process.turn()
    assert process.runs == []
    process.pass_time(5)
    process.own.until(lambda: process.runs)
    process.end_run(0, Outcome(state="succeeded", result=b'{"text":"a"}', ms=1.0))
    process.turn()
    job = only(process)
    assert (job.state, job.delivered, job.due, job.parked) == ("succeeded", True, None, False)
    assert process.life.jobs == {}
    assert process.rooms["lobby"].jobs == {}
    assert process.life.parked_jobs == 0


def test_its_place_in_the_order_is_that_of_its_time(start: Callable[..., Process]) -> None:
    process: Any = None
    with wall_clock_of(lambda: process.own.clock.ahead if process else 0.0):
        process = start(TASKS, slots=3)
        ann = process.guest("ann", "lobby")
        first = ask(process, "delayed", 600)
        assert bytes(first.job)
        process.pass_time(500)
        ask(process, "prompt")
        process.pass_time(100)
        process.own.until(lambda: len(process.runs) == 2)
        keys = [job.key for job, _ in process.runs]
        assert keys == ["prompt", "delayed"]
        process.end_run(1, Outcome(state="succeeded", result=b'{"text":"delayed"}', ms=1.0))
        process.turn()
        assert answered(ann) == []  # the other was asked for before this one was due
        process.end_run(0, Outcome(state="succeeded", result=b'{"text":"prompt"}', ms=1.0))
        process.turn()
        assert answered(ann) == ["prompt", "delayed"]


def test_it_waits_over_a_restart(start: Callable[..., Process]) -> None:
    process: Any = None
    with wall_clock_of(lambda: process.own.clock.ahead if process else 0.0):
        process = start(TASKS)
        ask(process, "a", DAY)
        process.kill()
        process = start(TASKS)
        process.turn()
        assert process.runs == []
        assert process.life.parked_jobs == 1
        process.kill()
        process = start(TASKS)
        process.pass_time(DAY)
        process.own.until(lambda: process.runs)
        assert process.runs[0][0].key == "a"


def test_it_can_be_cancelled(process: Process) -> None:
    ask(process, "a", DAY)
    id = only(process).id
    view, cancelled = process.own.run(process.services.cancel(id, open_to(Person("op", "Op"))))
    assert (view.state, view.due, cancelled) == ("cancelled", None, True)
    process.turn()
    process.pass_time(DAY)
    process.turn()
    job = only(process)
    assert (job.state, job.due, process.runs) == ("cancelled", None, [])
    assert process.rooms["lobby"].lines == {}
    view, cancelled = process.own.run(process.services.cancel(id, open_to(Person("op", "Op"))))
    assert (view.state, cancelled) == ("cancelled", False)


def test_the_same_key_is_the_same_job(process: Process) -> None:
    first = ask(process, "a", DAY)
    again = ask(process, "a", DAY)
    assert not first.duplicate
    assert again.duplicate
    assert b'"due"' in bytes(again.job)
    with pytest.raises(Refused) as refused:
        ask(process, "a", DAY + 1)
    assert (refused.value.code, refused.value.field) == ("conflict", "key")


def test_it_is_among_the_jobs_of_somebody_who_joins(process: Process) -> None:
    ask(process, "a", DAY)
    ann = process.guest("ann")
    joined = process.ask(ann, "room:join", room="lobby")
    process.turn()
    (job,) = ann.acks[joined]["jobs"]
    assert (job["key"], job["state"]) == ("a", "accepted")
    assert "due" in job


def test_many_that_are_due_at_once_all_start(start: Callable[..., Process]) -> None:
    process: Any = None
    with wall_clock_of(lambda: process.own.clock.ahead if process else 0.0):
        process = start(TASKS, slots=1000)
        for number in range(700):  # more than are looked for at once
            process.own.run(
                process.services.ask(
                    ADA, None, "lobby", NewJob(task="recite", key=f"k{number}", args={"text": ""}, delay_s=50)
                )
            )
        process.pass_time(50)
        process.own.until(lambda: len(process.runs) == 700)
        assert [job.key for job, _ in process.runs] == [f"k{number}" for number in range(700)]
