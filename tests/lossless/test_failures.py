"""Jobs that fail: retried by one policy, then kept as dead letters, on both paths."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from app.compare.system import System
from tests.command import command
from tests.guest import Guest


@pytest.fixture
def ann(workshop: System, path: str, guests: Callable[..., Guest], room: str) -> Guest:
    """Ann, in her room, on one path."""
    guest = guests(workshop.url, "Ann")
    guest.join(room)
    return guest


def letter(system: System, id: str) -> dict[str, Any] | None:
    """The dead letter with this ID, as the list has it."""
    listed = requests.get(f"{system.url}/api/dead-letters", timeout=10).json()["dead_letters"]
    return next((each for each in listed if each["id"] == id), None)


def printed(system: System, *words: str) -> Any:
    """What an operator command prints as JSON."""
    done = command("--url", system.url, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_error_that_says_it_is_retryable_is_retried_up_to_the_tasks_bound(
    workshop: System, ann: Guest, room: str, path: str
) -> None:
    job = ann.ask(room, "moody", mood="away")

    final = ann.saw("job:update", id=job["id"], state="failed")

    assert final["attempt"] == 3
    assert final["error"]["code"] == "model_away"
    retries = [data["attempt"] for name, data in ann.seen if name == "job:update" and data["state"] == "retrying"]
    assert retries == [2, 3]


@pytest.mark.parametrize(("mood", "code"), [("broken", "task_error"), ("wrong", "result_invalid")])
def test_any_other_error_is_final_at_once(ann: Guest, room: str, mood: str, code: str) -> None:
    job = ann.ask(room, "moody", mood=mood)

    final = ann.saw("job:update", id=job["id"], state="failed")

    assert (final["attempt"], final["error"]["code"]) == (1, code)


def test_a_dead_letter_has_everything_and_the_room_is_told(workshop: System, ann: Guest, room: str, path: str) -> None:
    job = ann.ask(room, "moody", mood="away")

    told = ann.saw("message:new", kind="system", job=job["id"])

    assert "did not work" in told["text"]
    dead = letter(workshop, job["id"])
    assert dead is not None
    assert (dead["task"], dead["path"], dead["attempts"], dead["args"]) == ("moody", path, 3, {"mood": "away"})
    assert [each["attempt"] for each in dead["errors"]] == [1, 2]
    assert dead["error"]["message"] == "not there"
    assert dead["trace"].startswith("00-")


def test_a_replayed_dead_letter_goes_on_with_the_next_attempt(workshop: System, ann: Guest, room: str) -> None:
    job = ann.ask(room, "moody", mood="away")
    ann.saw("job:update", id=job["id"], state="failed", attempt=3)

    replayed = printed(workshop, "dead-letters", "replay", job["id"])

    assert (replayed[0]["state"], replayed[0]["attempt"]) == ("accepted", 4)
    # A slow machine may have failed it again before it is looked at.
    assert letter(workshop, job["id"]) is None or ann.all("job:update", id=job["id"], state="failed", attempt=6)
    ann.saw("job:update", id=job["id"], state="failed", attempt=6)
    assert letter(workshop, job["id"]) is not None


def test_a_dropped_dead_letter_is_gone_and_its_job_stays_failed(workshop: System, ann: Guest, room: str) -> None:
    job = ann.ask(room, "moody", mood="broken")
    ann.saw("job:update", id=job["id"], state="failed")
    assert printed(workshop, "dead-letters", "show", job["id"])["id"] == job["id"]

    printed(workshop, "dead-letters", "drop", job["id"])

    assert job["id"] not in [each["id"] for each in printed(workshop, "dead-letters", "ls")]
    assert requests.get(f"{workshop.url}/api/jobs/{job['id']}", timeout=10).json()["state"] == "failed"
    again = requests.delete(f"{workshop.url}/api/dead-letters/{job['id']}", timeout=10)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


def test_answers_behind_a_job_that_fails_come_in_their_turn(ann: Guest, room: str) -> None:
    first = ann.ask(room, "moody", mood="away")
    second = ann.ask(room, "moody", mood="fine")

    ann.saw("job:update", id=second["id"], state="succeeded")

    finals = [d["id"] for name, d in ann.seen if name == "job:update" and d["state"] in ("failed", "succeeded")]
    assert finals.index(first["id"]) < finals.index(second["id"])


def test_a_result_of_megabytes_is_a_failure_and_the_next_job_is_answered(ann: Guest, room: str, path: str) -> None:
    large, small = ann.ask(room, "bulky", megabytes=6), ann.ask(room, "bulky", megabytes=0)
    final = ann.final(large["id"])
    assert (final["state"], final["error"]["code"], final["path"]) == ("failed", "result_too_large", path)
    assert ann.final(small["id"])["state"] == "succeeded"
