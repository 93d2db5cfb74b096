"""Tasks that start later by themselves, and those that are for messages which nobody answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from app.auth.grant import Grant
from app.contract import Outcome, Person
from app.tasks import Refused, Task, Written, task
from tests.jobs.process import Guest, Process, now
from tests.own_loop import wall_clock_of


def seconds(args: dict[str, Any]) -> float:
    """What its arguments say."""
    if args["in_s"] < 0:
        raise Refused("bad_request", "this is in the past", "in_s")
    return float(args["in_s"])


@task(delay=seconds)
def alarm(in_s: int) -> dict[str, str]:
    """Starts when its arguments say"""
    return {}


@task(runs=("message",))
def look(text: str) -> dict[str, str]:
    """Looks at messages"""
    return {}


@task(after="look", delay="PATIENCE", unless_answered=True)
def nobody(text: str) -> dict[str, str]:
    """Runs when nobody has answered"""
    return {}


@task(runs=("message", "request"))
def dated(text: str, written: Written) -> dict[str, str]:
    """Wants to know when"""
    return {}


TASKS: dict[str, Task] = {
    "alarm": alarm,
    "look": replace(look, followers=("nobody",)),
    "nobody": replace(nobody, delay_s=600.0),
}


@pytest.fixture
def process(start: Callable[..., Process]) -> Iterator[Process]:
    made: list[Process] = []
    with wall_clock_of(lambda: made[-1].own.clock.ahead if made else 0.0):
        made.append(start(TASKS))
        yield made[0]


def create(process: Process, guest: Guest, key: str = "k", task: str = "alarm", **args: Any) -> dict[str, Any]:
    """The acknowledgement of a request."""
    id = process.ask(guest, "job:create", room="lobby", key=key, task=task, args=args)
    process.turn()
    return guest.acks[id]


def urgent(process: Process) -> Guest:
    """Somebody writes, and what looks at messages has looked: `nobody` waits."""
    ann = process.guest("ann", "lobby")
    process.ask(ann, "message:send", room="lobby", key="a", text="help")
    process.turn()
    process.end_run(0, Outcome(state="succeeded", result=b"{}", ms=1.0))
    process.turn()
    return ann


def state_of(process: Process, name: str) -> str:
    """The state of the only job of this task."""
    (state,) = [job.state for job in process.all_jobs().values() if job.task == name]
    return state


def test_a_resend_is_answered_also_when_its_time_has_come(start: Callable[..., Process]) -> None:
    made: list[Process] = []
    first = time.time() + 60

    @task(delay=lambda args: seconds({"in_s": args["at"] - now()}))
    def punctual(at: float) -> dict[str, str]:
        """Starts at a time"""
        return {}

    with wall_clock_of(lambda: made[-1].own.clock.ahead if made else 0.0):
        made.append(process := start({"punctual": punctual}))
        ann = process.guest("ann", "lobby")
        job = create(process, ann, task="punctual", at=first)["job"]
        process.pass_time(3600)
        process.turn()
        again = create(process, ann, task="punctual", at=first)
        assert (again["ok"], again["duplicate"], again["job"]["id"]) == (True, True, job["id"])
        other = create(process, ann, task="punctual", at=first + 1)
        assert (other["error"]["code"], other["error"]["field"]) == ("conflict", "key")
        late = create(process, ann, key="new", task="punctual", at=first)
        assert late["error"]["field"] == "args.in_s"
    assert len(process.all_jobs()) == 1


def test_a_task_starts_when_its_arguments_say(process: Process) -> None:
    ann = process.guest("ann", "lobby")
    job = create(process, ann, in_s=3600)["job"]
    assert (job["state"], "due" in job) == ("accepted", True)
    process.pass_time(3599)
    process.turn()
    assert process.runs == []
    process.pass_time(1)
    process.own.until(lambda: process.runs)
    assert process.runs[0][0].deadline == pytest.approx(now() + 900, abs=2)


def test_arguments_that_name_no_time_are_refused_with_their_field(process: Process) -> None:
    error = create(process, process.guest("ann", "lobby"), in_s=-1)["error"]
    assert error == {"code": "bad_request", "message": "this is in the past", "field": "args.in_s"}


def test_one_person_has_a_hundred_waiting_in_a_room_and_no_more(process: Process) -> None:
    ann = process.guest("ann", "lobby", "other")
    ids = [
        process.ask(ann, "job:create", room=room, key=f"k{number}", task="alarm", args={"in_s": 60})
        for room, count in (("lobby", 100), ("other", 1))
        for number in range(count)
    ]
    process.turn()
    assert all(ann.acks[id]["ok"] for id in ids)
    one_more = process.ask(ann, "job:create", room="lobby", key="more", task="alarm", args={"in_s": 60})
    process.turn()
    assert (ann.acks[one_more]["error"]["code"], ann.acks[one_more]["error"]["field"]) == ("conflict", "task")
    ben = process.guest("ben", "lobby")
    id = process.ask(ben, "job:create", room="lobby", key="k", task="alarm", args={"in_s": 60})
    process.turn()
    assert ben.acks[id]["ok"]


def test_what_nobody_answers_is_done_in_time(process: Process) -> None:
    urgent(process)
    process.pass_time(599)
    process.turn()
    assert (state_of(process, "nobody"), process.runs) == ("accepted", [])
    process.pass_time(1)
    process.own.until(lambda: process.runs)
    assert process.runs[0][0].task == "nobody"


def test_an_answer_of_somebody_else_makes_it_needless(process: Process) -> None:
    ann = urgent(process)
    process.ask(process.guest("ben", "lobby"), "message:send", room="lobby", key="b", text="what is it?")
    process.turn()
    process.pass_time(600)
    process.own.until(lambda: state_of(process, "nobody") == "skipped")
    process.turn()
    assert ("nobody", "skipped") in [
        (data["task"], data["state"]) for event, data in ann.received if event == "job:update"
    ]


def test_what_the_asker_writes_is_no_answer(process: Process) -> None:
    ann = urgent(process)
    process.ask(ann, "message:send", room="lobby", key="b", text="hello?")
    process.turn()
    process.end_run(0, Outcome(state="failed", ms=1.0))
    process.pass_time(600)
    process.own.until(lambda: any(job.task == "nobody" for job, _ in process.runs))


@pytest.mark.parametrize(("role", "state"), [("member", "running"), ("staff", "skipped")])
def test_with_tokens_only_those_who_answer_do(process: Process, role: Any, state: str) -> None:
    process.intake._is_open = False
    process.life.is_answered = partial(process.loading.is_answered, by_anybody=False)
    urgent(process)
    ben = process.guest("ben", "lobby")
    assert ben.who is not None
    ben.who.renew(Grant(Person("ben", "ben"), ("*",), role))
    id = process.ask(ben, "message:send", room="lobby", key="b", text="what is it?")
    process.turn()
    assert ben.acks[id]["message"].get("data") == ({"role": "staff"} if role == "staff" else None)
    process.end_run(0, Outcome(state="failed", ms=1.0))
    process.pass_time(600)
    process.own.until(lambda: state_of(process, "nobody") == state)


def test_a_task_is_told_when_its_message_was_written_on_the_writers_clock(start: Callable[..., Process]) -> None:
    process = start({"dated": dated})
    ann = process.guest("ann", "lobby")
    process.ask(ann, "message:send", room="lobby", key="a", text="hello", zone="Asia/Kolkata")
    process.ask(ann, "message:send", room="lobby", key="b", text="hello")
    process.ask(ann, "job:create", room="lobby", key="c", task="dated", args={"text": "x"}, zone="Asia/Kolkata")
    process.turn()
    written = [job.args.partition('"written":')[2] for job in process.all_jobs().values()]
    zones = sorted((each.partition("+")[2][:5], "Kolkata" in each) for each in written)
    assert zones == [("00:00", False), ("05:30", True), ("05:30", True)]


def test_a_zone_that_is_none_is_refused(start: Callable[..., Process]) -> None:
    process = start({"dated": dated})
    ann = process.guest("ann", "lobby")
    id = process.ask(ann, "message:send", room="lobby", key="a", text="hello", zone="Mars/Olympus")
    process.turn()
    assert (ann.acks[id]["error"]["code"], ann.acks[id]["error"]["field"]) == ("bad_request", "zone")
