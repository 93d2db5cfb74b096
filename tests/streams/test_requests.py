"""Asking again: in place of an answer that is there, or while another still runs in the room. On both paths."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from app.compare.system import System
from tests.guest import Guest


@pytest.fixture(autouse=True)
def paths(telling: System, path: str) -> None:
    """All tasks take the path of stories here."""
    for task in ("verse", "alone", "anew"):
        telling.flag(path, task)


def request(room: str, task: str, **more: Any) -> dict[str, Any]:
    """The data of a job:create."""
    return {"room": room, "key": secrets.token_hex(8), "task": task, **more}


def test_an_answer_is_made_anew_and_says_which_message_it_replaces(told: Guest, room: str) -> None:
    first = told.final(told.ask(room, "verse", words="roses")["id"])
    message = told.saw("message:new", job=first["id"])
    again = told.ok("job:create", request(room, "verse", args={"words": "violets"}, replaces=first["id"]))["job"]
    assert again["replaces"] == first["id"]
    shown = told.saw("message:new", job=again["id"])
    assert shown["data"]["replaces"] == message["seq"]
    assert shown["text"] == "violets"
    third = told.ok("job:create", request(room, "verse", args={"words": "lilies"}, replaces=again["id"]))["job"]
    assert told.saw("message:new", job=third["id"])["data"]["replaces"] == shown["seq"]


def test_one_that_still_runs_is_ended_when_it_is_replaced(told: Guest, room: str) -> None:
    first = told.ask(room, "story", words=1000)
    told.saw("job:delta", job=first["id"])
    again = told.ok("job:create", request(room, "story", args={"words": 3}, replaces=first["id"]))["job"]
    assert told.final(first["id"])["state"] == "cancelled"
    assert told.final(again["id"])["state"] == "succeeded"


def test_a_resend_of_one_that_replaces_is_the_same_job(told: Guest, room: str) -> None:
    first = told.final(told.ask(room, "verse", words="roses")["id"])
    asked = request(room, "verse", args={"words": "violets"}, replaces=first["id"])
    job = told.ok("job:create", asked)["job"]
    again = told.ok("job:create", asked)
    assert (again["job"]["id"], again["duplicate"]) == (job["id"], True)
    del asked["replaces"]
    assert told.refused("job:create", asked)["code"] == "conflict"


def test_what_cannot_be_replaced_is_refused_with_the_field(told: Guest, room: str) -> None:
    story = told.final(told.ask(room, "story", words=1)["id"])
    told.join(f"{room}-other")
    for wrong, code, where in (
        ("nobody", "not_found", room),
        (story["id"], "not_found", f"{room}-other"),
        (story["id"], "bad_request", room),
    ):
        error = told.refused("job:create", request(where, "verse", args={"words": "x"}, replaces=wrong))
        assert (error["code"], error["field"]) == (code, "replaces")


def test_a_second_one_is_refused_where_the_task_wants_it_and_named_the_first(told: Guest, room: str) -> None:
    first = told.ask(room, "alone")
    error = told.refused("job:create", request(room, "alone"))
    assert (error["code"], error["job"]) == ("conflict", first["id"])
    told.join(f"{room}-other")
    other = told.ask(f"{room}-other", "alone", seconds=0)
    assert told.final(other["id"])["state"] == "succeeded"
    told.ok("job:cancel", {"job": first["id"]})
    assert told.final(told.ask(room, "alone", seconds=0)["id"])["state"] == "succeeded"


def test_of_two_at_the_same_moment_one_is_refused(told: Guest, room: str) -> None:
    acks: list[dict[str, Any]] = []
    for _ in range(4):
        told.emit("job:create", request(room, "alone"), acks.append)
    told.wait(lambda seen: len(acks) == 4)
    (first,) = [ack["job"]["id"] for ack in acks if ack["ok"]]
    assert {ack["error"]["job"] for ack in acks if not ack["ok"]} == {first}
    told.ok("job:cancel", {"job": first})


def test_a_resend_of_one_that_runs_is_no_second_one(told: Guest, room: str) -> None:
    asked = request(room, "alone")
    first = told.ok("job:create", asked)["job"]
    assert told.ok("job:create", asked)["duplicate"] is True
    told.ok("job:cancel", {"job": first["id"]})


def test_a_second_one_ends_the_first_where_the_task_wants_it(told: Guest, room: str) -> None:
    first = told.ask(room, "anew")
    told.saw("job:delta", job=first["id"])
    second = told.ask(room, "anew", seconds=0)
    assert told.final(first["id"])["state"] == "cancelled"
    assert told.final(second["id"])["state"] == "succeeded"
