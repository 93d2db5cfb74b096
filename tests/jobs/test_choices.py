"""What runs on the messages of a room: its people choose, and the choice outlives the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.contract import Outcome
from app.tasks import Task, task
from tests.jobs.process import Guest, Process

TASKS: dict[str, Task] = {}


@task(runs=("message", "request"))
def usual(text: str) -> dict[str, str]:
    """Runs unless a room does not want it"""
    return {}


@task(runs=("message",), on=False, when=lambda text: "!" in text)
def rare(text: str) -> dict[str, str]:
    """Runs where a room wants it, on loud messages"""
    return {}


@task(after="usual")
def behind(usual: dict[str, Any]) -> dict[str, str]:
    """Follows"""
    return {}


@task
def asked(text: str) -> dict[str, str]:
    """Runs on request alone: there is nothing to choose"""
    return {}


def found() -> dict[str, Task]:
    """These tasks, with their followers as discovery notes them."""
    usual_followed = usual.__class__(**{**usual.__dict__, "followers": ("behind",)})
    return {"usual": usual_followed, "rare": rare, "behind": behind, "asked": asked}


@pytest.fixture
def process(start: Callable[..., Process]) -> Process:
    return start(found())


def choose(process: Process, guest: Guest, **more: Any) -> dict[str, Any]:
    """The acknowledgement of `room:tasks`."""
    id = process.ask(guest, "room:tasks", room="lobby", **more)
    process.turn()
    return guest.acks[id]


def say(process: Process, guest: Guest, key: str, text: str) -> list[str]:
    """The tasks of the jobs that a message starts."""
    before = set(process.all_jobs())
    process.ask(guest, "message:send", room="lobby", key=key, text=text)
    process.turn()
    return sorted(job.task for id, job in process.all_jobs().items() if id not in before)


def test_what_is_declared_holds_until_a_room_chooses(process: Process) -> None:
    ann = process.guest("ann", "lobby")
    assert choose(process, ann) == {"ok": True, "tasks": {"behind": True, "rare": False, "usual": True}}
    assert say(process, ann, "a", "hello!") == ["usual"]


def test_a_change_is_told_to_the_room_and_holds_for_its_next_message(process: Process) -> None:
    ann, ben = process.guest("ann", "lobby"), process.guest("ben", "lobby")
    chosen = choose(process, ann, tasks={"usual": False, "rare": True})
    assert chosen["tasks"] == {"behind": True, "rare": True, "usual": False}
    assert ("room:tasks", {"room": "lobby", "tasks": chosen["tasks"]}) in ben.received
    assert say(process, ann, "a", "hello!") == ["rare"]
    assert say(process, ann, "b", "hello") == []
    assert choose(process, ann, tasks={"usual": True})["tasks"]["rare"] is True


def test_it_outlives_the_process_and_concerns_no_other_room(start: Callable[..., Process]) -> None:
    process = start(found())
    choose(process, process.guest("ann", "lobby", "other"), tasks={"usual": False})
    process.kill()
    process = start(found())
    ann = process.guest("ann", "lobby", "other")
    assert say(process, ann, "a", "hello") == []
    process.ask(ann, "message:send", room="other", key="b", text="hello")
    process.turn()
    assert [job.task for job in process.all_jobs().values()] == ["usual"]


def test_a_task_that_follows_can_be_switched_off_alone(process: Process) -> None:
    ann = process.guest("ann", "lobby")
    choose(process, ann, tasks={"behind": False})
    say(process, ann, "a", "hello")
    process.end_run(0, Outcome(state="succeeded", result=b"{}", ms=1.0))
    process.turn()
    assert [job.task for job in process.all_jobs().values()] == ["usual"]
    choose(process, ann, tasks={"behind": True})
    say(process, ann, "b", "hello")
    process.end_run(0, Outcome(state="succeeded", result=b"{}", ms=1.0))
    process.turn()
    assert [job.task for job in process.all_jobs().values()] == ["usual", "usual", "behind"]


@pytest.mark.parametrize("name", ["asked", "nothing"])
def test_a_task_that_runs_on_no_message_is_refused_by_name(process: Process, name: str) -> None:
    ann = process.guest("ann", "lobby")
    error = choose(process, ann, tasks={"usual": False, name: True})["error"]
    assert (error["code"], error["field"]) == ("unknown_task", f"tasks.{name}")
    assert choose(process, ann)["tasks"]["usual"] is True


def test_two_who_choose_at_once_both_get_their_way(process: Process) -> None:
    ann = process.guest("ann", "lobby")
    process.ask(ann, "room:tasks", room="lobby", tasks={"usual": False})
    process.ask(process.guest("ben", "lobby"), "room:tasks", room="lobby", tasks={"rare": True})
    process.turn()
    assert choose(process, ann)["tasks"] == {"behind": True, "rare": True, "usual": False}
