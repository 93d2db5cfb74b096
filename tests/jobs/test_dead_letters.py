"""What no attempt will complete is kept until somebody tries it again, or lets it go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.contract import JobError, Outcome
from app.jobs import dead_letters
from app.payload import Refused
from app.tasks import task
from tests.jobs.process import Process

Start = Callable[..., Process]
BAD = Outcome(state="failed", error=JobError("broken", "it broke"), ms=1.0)
FINE = Outcome(state="succeeded", result=b'{"text":"fine"}', ms=1.0)


@task(attempts=2)
def answer(text: str) -> dict[str, str]:
    """Is asked for"""
    return {"text": text}


@pytest.fixture
def process(start: Start) -> Process:
    return start({"answer": answer})


@pytest.fixture
def dead(process: Process) -> str:
    """A job that failed for good."""
    ann = process.guest("ann", "lobby")
    asked = process.ask(ann, "job:create", room="lobby", key="k", task="answer", args={"text": "please"})
    process.turn()
    process.end_run(0, BAD)
    process.turn()
    return str(ann.acks[asked]["job"]["id"])


def drop(process: Process, id: str) -> bool:
    """Let it go."""
    return process.own.run(process.store.change(partial(dead_letters.drop, id=id)))


def replay(process: Process, id: str) -> Any:
    """Try it again."""
    job = process.own.run(process.life.replay(id))
    process.turn()
    return job


def test_a_job_that_failed_for_good_is_listed_with_all_there_is_to_know(process: Process, dead: str) -> None:
    (letter,) = process.read(dead_letters.every)
    assert {**letter, "traceback": None} == process.read(partial(dead_letters.find, id=dead))
    assert (letter["id"], letter["kind"], letter["task"], letter["room"]) == (dead, "job", "answer", "lobby")
    assert letter["error"] == {"code": "broken", "message": "it broke"}
    assert letter["args"] == {"text": "please"}
    assert process.read(dead_letters.count) == 1


def test_a_replay_is_another_life_with_attempts_of_its_own(process: Process, dead: str) -> None:
    job = replay(process, dead)
    assert (job.state, job.attempt, job.attempts, job.dead) == ("accepted", 2, 3, False)
    assert process.read(dead_letters.count) == 0

    process.end_run(0, FINE)
    process.turn()

    assert (process.stored(dead).state, process.stored(dead).delivered) == ("succeeded", True)
    (ann,) = process.rooms["lobby"].listeners
    states = [data["state"] for event, data in ann.received if event == "job:update"]
    assert states[-4:] == ["failed", "accepted", "running", "succeeded"]  # before: what was slow on a busy machine


def test_of_two_who_replay_it_at_the_same_moment_one_is_refused(process: Process, dead: str) -> None:
    tries = [process.spawn(process.life.replay(dead)) for _ in range(2)]
    process.turn()
    errors = [each.exception() for each in tries]
    assert errors.count(None) == 1
    assert len(process.runs) == 1


def test_who_asked_for_it_can_try_it_again_and_nobody_else(process: Process, dead: str) -> None:
    (ann,) = process.rooms["lobby"].listeners
    bob, eve = process.guest("bob", "lobby"), process.guest("eve", "elsewhere")
    refused = [(who, process.ask(who, "job:retry", job=dead)) for who in (bob, eve)]
    process.turn()
    assert [who.acks[id]["error"]["code"] for who, id in refused] == ["forbidden", "not_found"]

    asked = process.ask(ann, "job:retry", job=dead)
    process.turn()

    assert ann.acks[asked]["job"] | {"id": dead, "attempt": 2} == ann.acks[asked]["job"]
    twice = process.ask(ann, "job:retry", job=dead)
    process.turn()
    assert ann.acks[twice]["error"]["code"] == "conflict"
    process.end_run(0, FINE)
    process.turn()
    assert process.stored(dead).state == "succeeded"


def test_who_asked_for_one_that_was_dropped_is_told_so(process: Process, dead: str) -> None:
    (ann,) = process.rooms["lobby"].listeners
    drop(process, dead)
    asked = process.ask(ann, "job:retry", job=dead)
    process.turn()
    assert ann.acks[asked]["error"]["code"] == "conflict"


def test_one_that_was_dropped_stays_failed_and_cannot_be_replayed(process: Process, dead: str) -> None:
    assert drop(process, dead)
    assert not drop(process, dead)
    with pytest.raises(Refused, match="no such dead letter"):
        replay(process, dead)
    assert process.stored(dead).state == "failed"


def test_one_that_is_dropped_while_it_is_about_to_be_replayed_is_not_replayed(process: Process, dead: str) -> None:
    """Whoever dropped it was told that it is gone."""
    dropping = process.spawn(process.store.change(partial(dead_letters.drop, id=dead)))
    replaying = process.spawn(process.life.replay(dead))
    process.turn()

    assert dropping.result() is (replaying.exception() is not None)
    assert process.stored(dead).state == ("failed" if dropping.result() else "running")


def test_a_replay_after_a_restart_is_found_below_the_mark(process: Process, dead: str, start: Start) -> None:
    process.life._mark()
    process.turn()
    assert process.life.marked > process.stored(dead).n
    replay(process, dead)
    process.kill()

    again = start({"answer": answer})
    again.turn()

    assert list(again.life.jobs) == [dead]


def test_a_letter_whose_task_is_gone_can_only_be_dropped(process: Process, dead: str, start: Start) -> None:
    process.kill()
    again = start({})
    with pytest.raises(Refused, match="no task answer any more"):
        replay(again, dead)
    assert drop(again, dead)


def test_what_nobody_could_read_is_kept_once_and_cannot_be_replayed(process: Process) -> None:
    for _ in range(2):
        process.own.run(process.life.bury("DEAD-7", "dead.RESULTS", "{not json", "it cannot be read"))
    (letter,) = process.read(dead_letters.every)
    assert (letter["kind"], letter["args"], letter["error"]["code"]) == ("message", "{not json", "undecodable")
    with pytest.raises(Refused, match="no job and cannot be replayed"):
        replay(process, "DEAD-7")
    assert drop(process, "DEAD-7")
    with pytest.raises(Refused, match="no such dead letter"):
        replay(process, "DEAD-7")
