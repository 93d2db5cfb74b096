"""Steps of one job that meet in one transaction, or between two: cases that tests/jobs/test_life.py has found."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import structlog.testing

from app.contract import FINAL, JobError, Outcome
from app.store.errors import StoreUnavailable
from app.tasks import Line, Said, task
from tests.jobs.process import Guest, Process

Start = Callable[..., Process]
FINE = Outcome(state="succeeded", result=b'{"text":"fine"}', ms=1.0)
AGAIN = Outcome(state="failed", error=JobError("broken", "it broke", retryable=True), ms=1.0)


@task(attempts=3)
def count(text: str) -> dict[str, str]:
    """Is asked for, and says nothing"""
    return {"text": text}


def ask(process: Process, ann: Guest, *keys: str, name: str = "count") -> list[str]:
    """Ask for one job under each key; returns their IDs."""
    asked = [process.ask(ann, "job:create", room="lobby", key=key, task=name, args={"text": key}) for key in keys]
    process.turn()
    return [ann.acks[id]["job"]["id"] for id in asked]


def finals(guest: Guest) -> list[tuple[str, str]]:
    """Key and state of each final state that was shown."""
    seen = [data for event, data in guest.received if event == "job:update" and data["state"] in FINAL]
    return [(data["key"], data["state"]) for data in seen]


def test_a_job_is_not_parked_while_its_result_is_looked_at(start: Start) -> None:
    looking, go_on = threading.Event(), threading.Event()

    def says(result: dict[str, str]) -> Said:
        looking.set()
        go_on.wait(20)
        return Said(result["text"])

    @task(says=says)
    def slow(text: str) -> dict[str, str]:
        """Says something, and takes its time"""
        return {"text": text}

    process = start({"slow": slow}, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    (id,) = ask(process, ann, "a", name="slow")
    process.result(id, 1, FINE)
    process.own.until(looking.is_set)
    process.life.park(process.life.jobs[id], 1, 7)
    process.own.run(process.store.settled())
    cancelling = process.spawn(process.life.cancel(process.own.run(_found(process, id))))
    process.own.until(cancelling.done)
    go_on.set()
    process.turn()

    assert finals(ann) == [("a", "cancelled")]
    assert process.stored(id).state == "cancelled"
    assert process.life.parked_jobs == 0


async def _found(process: Process, id: str) -> Any:
    return await process.life.find(id)


def test_an_attempt_that_is_cancelled_as_it_starts_gives_its_slot_back(start: Start) -> None:
    process = start({"count": count}, slots=1)
    ann = process.guest("ann", "lobby")
    _, second = ask(process, ann, "a", "b")
    process.spawn(process.life.cancel(process.life.jobs[second]))
    process.end_run(0, FINE)  # the slot is the second one's: its start and its end are one transaction
    process.turn()
    assert finals(ann) == [("a", "succeeded"), ("b", "cancelled")]
    assert process.runs == []
    assert process.background._slots_taken == 0

    ask(process, ann, "c")

    assert len(process.runs) == 1


def test_a_deadline_that_passes_with_the_retry_is_shown_once_and_takes_no_slot(start: Start) -> None:
    process = start({"count": count}, slots=1)
    ann = process.guest("ann", "lobby")
    ask(process, ann, "a")
    process.end_run(0, AGAIN)
    process.turn()

    process.pass_time(count.deadline + 1)
    process.turn()

    assert finals(ann) == [("a", "failed")]
    assert process.background._slots_taken == 0


def test_a_cancelled_job_drops_what_still_comes(start: Start) -> None:
    process = start({"count": count})
    ann = process.guest("ann", "lobby")
    (id,) = ask(process, ann, "a")
    process.spawn(process.life.cancel(process.life.jobs[id]))
    process.turn()
    process.end_run(0, FINE)
    process.turn()
    assert finals(ann) == [("a", "cancelled")]
    assert process.background._slots_taken == 0


def test_what_a_full_path_has_no_room_for_is_skipped_and_on_request_refused(start: Start) -> None:
    @task(runs=["message"])
    def tag(text: str) -> dict[str, str]:
        """Runs on every message"""
        return {"text": text}

    process = start({"count": count, "tag": tag}, slots=1, max_backlog=1)
    ann = process.guest("ann", "lobby")
    ask(process, ann, "a", "b")  # one runs, one waits
    refused = process.ask(ann, "job:create", room="lobby", key="c", task="count", args={"text": "c"})
    sent = process.ask(ann, "message:send", room="lobby", key="m", text="hello")
    process.turn()

    assert ann.acks[refused]["error"]["code"] == "busy"
    assert ann.acks[sent]["ok"]
    assert [(job.task, job.state) for job in process.all_jobs().values()][2:] == [("tag", "skipped")]


def test_an_attempt_the_broker_does_not_take_runs_here(start: Start) -> None:
    process = start({"count": count}, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    (id,) = ask(process, ann, "a")
    process.life.fall_back(process.life.jobs[id])
    process.turn()
    assert (process.stored(id).path, process.stored(id).state) == ("simple", "running")

    process.end_run(0, FINE)
    process.turn()
    process.result(id, 1, FINE)  # the broker had it after all
    process.turn()

    assert finals(ann) == [("a", "succeeded")]
    assert process.broker.acknowledged == [f"{id}.1".encode()]


def test_a_result_of_a_job_nobody_knows_is_taken_off_all_the_same(start: Start) -> None:
    process = start({"count": count})
    process.result("nothing", 1, FINE)
    process.turn()
    assert process.broker.acknowledged == [b"nothing.1"]


def test_runs_of_a_parked_job_that_never_end_are_counted_when_workers_ask(start: Start) -> None:
    process = start({"count": count}, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    (id,) = ask(process, ann, "a")
    process.life.park(process.life.jobs[id], 1, 7)
    process.turn()
    assert id not in process.life.jobs

    answers = []
    for run in ("r1", "r2", "r3", "r4"):
        answers.append(process.life.is_over(id, f'["{run}",1]'.encode()))
        process.turn()

    assert answers == [False, False, False, True]
    assert process.stored(id).state == "failed"
    assert '"poison"' in (process.stored(id).error or "")


def test_a_job_that_cannot_be_looked_up_is_no_failure_of_ours_and_its_result_counts_when_it_comes_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start({"count": count}, flag=lambda task, room: "queued")
    ann = process.guest("ann", "lobby")
    (id,) = ask(process, ann, "a")
    process.life.park(process.life.jobs[id], 1, 7)
    process.turn()

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("the server is away")

    with monkeypatch.context() as without, structlog.testing.capture_logs() as logged:
        without.setattr(process.store, "read", away)
        process.result(id, 1, FINE)
        process.turn()
    assert [line["log_level"] for line in logged] == ["warning"]
    assert process.broker.acknowledged == []
    process.result(id, 1, FINE)
    process.turn()
    assert process.stored(id).state == "succeeded"


def test_an_outcome_waits_for_the_database_that_has_what_its_follower_is_told(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task(after="count", history=5)
    def again(count: dict[str, str], history: list[Line]) -> dict[str, str]:
        """Follows, and is told what was said"""
        return count

    process = start({"count": replace(count, followers=("again",)), "again": again})
    ann = process.guest("ann", "lobby")
    (id,) = ask(process, ann, "a")
    read, refused = process.store.read, list[str]()

    async def away_at_first(query: Any, **options: Any) -> Any:
        if not refused:
            refused.append("once")
            raise StoreUnavailable("the server is away")
        return await read(query, **options)

    monkeypatch.setattr(process.store, "read", away_at_first)
    process.end_run(0, FINE)
    process.own.until(lambda: len(process.runs) == 1)
    assert (refused, process.stored(id).state) == (["once"], "succeeded")
    assert process.runs[0][0].task == "again"
