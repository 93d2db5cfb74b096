"""Operators pause tasks and lanes, and say how failures are tried again: on every path, while people chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Site
from tests.guest import Guest


@pytest.fixture
def put(site: Site) -> Iterator[Any]:
    """Sets something of a task or a lane, and lets all go on in the end."""
    touched: set[str] = set()

    def put(where: str, **what: Any) -> Any:
        touched.add(where)
        answer = site.ask("PUT", f"/api/{where}", json=what)
        assert answer.ok, answer.text
        return answer.json()

    yield put
    for where in touched:
        site.ask("PUT", f"/api/{where}", json={"paused": False})


def test_a_paused_task_waits_while_others_go_on_and_then_is_answered(
    site: Site, ann: Guest, room: str, put: Any
) -> None:
    paused = put("tasks/language", paused=True)
    assert (paused["task"], paused["lane"], paused["paused"]) == ("language", "ml", True)
    message = ann.say(room, "Where is the ward, please?")
    ann.found(message["seq"], "sentiment", "triage")
    assert ann.saw("job:update", message=message["seq"], task="language")["state"] == "accepted"
    assert ann.all("job:update", message=message["seq"], task="language", state="running") == []

    put("tasks/language", paused=False)
    assert ann.found(message["seq"], "language")["language"]["state"] == "succeeded"


def test_a_paused_lane_is_shown_and_its_tasks_wait(site: Site, ann: Guest, room: str, put: Any) -> None:
    put("lanes/ml", paused=True)
    lanes = {lane["lane"]: lane for lane in site.ask("GET", "/api/lanes").json()["lanes"]}
    assert lanes["ml"]["paused"]
    shown = {task["task"]: task for task in site.ask("GET", "/api/tasks").json()["tasks"]}
    assert shown["triage"]["lane_paused"]
    assert "paused" not in shown["triage"]
    job = ann.ask(room, "sentiment", text="I am glad")
    message = ann.say(room, "Chat goes on")
    assert ann.saw("message:new", seq=message["seq"])
    assert site.ask("GET", f"/api/jobs/{job['id']}").json()["state"] == "accepted"

    put("lanes/ml", paused=False)
    assert ann.final(job["id"])["state"] == "succeeded"


def test_a_job_of_a_paused_task_can_be_cancelled(site: Site, ann: Guest, room: str, put: Any) -> None:
    put("tasks/sentiment", paused=True)
    job = ann.ask(room, "sentiment", text="I am glad")
    assert ann.ok("job:cancel", {"job": job["id"]})["job"]["state"] == "cancelled"
    put("tasks/sentiment", paused=False)
    assert ann.final(job["id"])["state"] == "cancelled"


def test_how_failures_are_tried_again_is_shown_and_can_be_taken_back(site: Site, put: Any) -> None:
    retries = {"attempts": 3, "codes": [429, 503], "min_wait_s": 1, "max_wait_s": 30, "jitter": "equal"}
    assert put("tasks/triage", retries=retries)["retries"] == retries
    shown = {task["task"]: task for task in site.ask("GET", "/api/tasks").json()["tasks"]}
    assert shown["triage"]["retries"] == retries
    assert "retries" not in put("tasks/triage", retries=None)


@pytest.mark.parametrize(
    ("where", "body", "status", "field"),
    [
        ("tasks/nothing", {"paused": True}, 404, "task"),
        ("lanes/nothing", {"paused": True}, 404, "lane"),
        ("tasks/triage", {"paused": "yes"}, 400, "paused"),
        ("lanes/ml", {}, 400, "paused"),
        ("tasks/triage", {"retries": {"jitter": "much"}}, 400, "retries.jitter"),
    ],
)
def test_what_makes_no_sense_is_refused(site: Site, where: str, body: Any, status: int, field: str) -> None:
    answer = site.ask("PUT", f"/api/{where}", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
