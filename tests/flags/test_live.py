"""Flags change while everything runs: by HTTP, by command, in the sight of every client, and for good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.compare.system import System
from tests.command import command
from tests.guest import WAIT, Guest
from tests.web import Web

Come = Callable[..., Guest]


def put(url: str, task: str, **body: Any) -> requests.Response:
    """PUT /api/flags/TASK"""
    return requests.put(f"{url}/api/flags/{task}", json=body, timeout=WAIT)


def in_force(url: str) -> dict[str, dict[str, Any]]:
    """GET /api/flags by task."""
    return {row["task"]: row for row in requests.get(f"{url}/api/flags", timeout=WAIT).json()["flags"]}


def printed(url: str, *arguments: str) -> Any:
    """What `python -m app flags ... --json` prints."""
    done = command("--url", url, "flags", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def flags(system: System) -> Iterator[str]:
    """The shared system's address, with its flags put back afterwards."""
    yield system.url
    for task in in_force(system.url):
        requests.delete(f"{system.url}/api/flags/{task}", timeout=WAIT).raise_for_status()
    system.flag("simple")


def test_a_change_by_http_is_in_force_and_seen_by_every_client(flags: str, guests: Come, room: str) -> None:
    people = [guests(flags, "Ann"), guests(flags, "Ben", ("polling",))]
    answer = put(flags, "language", path="queued", percent=100)
    assert answer.json() == {"task": "language", "path": "queued", "percent": 100}
    for person in people:
        person.saw("flag:changed", task="language", path="queued", percent=100)
    people[0].join(room)
    assert people[0].ask(room, "language", text="Hello")["path"] == "queued"
    assert people[0].ask(room, "sentiment", text="Hello")["path"] == "simple"


def test_a_change_by_command_is_the_same_change(flags: str, guests: Come) -> None:
    ann = guests(flags, "Ann")
    assert printed(flags, "set", "sentiment", "--path", "queued", "--percent", "40") == [
        {"task": "sentiment", "path": "queued", "percent": 40}
    ]
    ann.saw("flag:changed", task="sentiment", path="queued", percent=40)
    listed = {row["task"]: row for row in printed(flags, "ls")}
    assert listed == in_force(flags)
    assert listed["sentiment"] == {"task": "sentiment", "path": "queued", "percent": 40, "source": "task"}
    assert printed(flags, "unset", "sentiment") == [{"task": "sentiment", "path": "simple", "percent": 100}]
    ann.saw("flag:changed", task="sentiment", path="simple", percent=100)


def test_the_path_that_a_room_takes_can_be_asked_for(flags: str, guests: Come, room: str) -> None:
    put(flags, "sentiment", path="queued", percent=50)
    put(flags, "language", path="auto")
    ann = guests(flags, "Ann")
    for number in range(8):
        name = f"{room}-{number}"
        rows = requests.get(f"{flags}/api/flags", params={"room": name}, timeout=WAIT).json()["flags"]
        takes = {row["task"]: row.get("takes") for row in rows}
        ann.join(name)
        assert ann.ask(name, "sentiment", text="Hello")["path"] == takes["sentiment"]
        assert (takes["language"], takes["triage"], takes["*"]) == ("auto", "simple", None)
    assert "takes" not in in_force(flags)["sentiment"]
    refused = requests.get(f"{flags}/api/flags", params={"room": "not a room"}, timeout=WAIT)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "room")


def test_all_changes_every_task_without_a_flag_of_its_own(flags: str, guests: Come) -> None:
    ann = guests(flags, "Ann")
    put(flags, "triage", path="simple").raise_for_status()
    put(flags, "*", path="queued").raise_for_status()
    ann.saw("flag:changed", task="*", path="queued")
    ann.saw("flag:changed", task="language", path="queued")
    rows = in_force(flags)
    assert (rows["triage"]["path"], rows["triage"]["source"]) == ("simple", "task")
    assert (rows["language"]["path"], rows["language"]["source"]) == ("queued", "*")
    assert not ann.all("flag:changed", task="triage", path="queued")


def test_jobs_that_run_finish_where_they_began(flags: str, guests: Come, room: str) -> None:
    ann = guests(flags, "Ann")
    ann.join(room)
    seqs = []
    for number, path in enumerate(["simple", "queued"] * 5):
        put(flags, "*", path=path).raise_for_status()
        seqs.append(ann.say(room, f"Line {number}")["seq"])
    for seq in seqs:
        found = ann.found(seq, "triage", "language", "sentiment")
        assert {job["state"] for job in found.values()} == {"succeeded"}


@pytest.mark.parametrize(
    ("task", "body", "status", "code"),
    [
        ("nonsense", {"path": "simple"}, 404, "not_found"),
        ("triage", {"path": "quick"}, 400, "bad_request"),
        ("triage", {"path": "simple", "percent": 101}, 400, "bad_request"),
        ("triage", {"path": "simple", "percent": 1.5}, 400, "bad_request"),
        ("triage", {"path": "simple", "why": "because"}, 400, "bad_request"),
        ("triage", {}, 400, "bad_request"),
    ],
)
def test_a_flag_that_makes_no_sense_is_refused(
    flags: str, task: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = put(flags, task, **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/plain"}, '{"path": "simple"}', 400),
        ({"Content-Type": "application/json", "Origin": "http://evil.example"}, '{"path": "simple"}', 403),
        ({"Content-Type": "application/json", "Host": "evil.example"}, '{"path": "simple"}', 403),
        ({"Content-Type": "application/json"}, "{", 400),
    ],
    ids=["a form", "a foreign page", "a rebound name", "no JSON"],
)
def test_only_our_own_pages_change_flags(flags: str, headers: dict[str, str], body: str, status: int) -> None:
    answer = requests.put(f"{flags}/api/flags/triage", data=body, headers=headers, timeout=WAIT)
    assert answer.status_code == status
    assert in_force(flags)["triage"]["source"] == "*"


def test_without_a_queue_asking_for_one_is_a_conflict(tmp_path: Path, parts: None) -> None:
    with Web(tmp_path) as web:
        for path in ("queued", "auto"):
            answer = put(web.url, "triage", path=path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
            assert "NATS_URL" in answer.json()["error"]["message"]
        assert put(web.url, "triage", path="simple").status_code == 200
        assert requests.get(f"{web.url}/api/flags", timeout=WAIT).json()["queue"] is False


def test_flags_are_kept_over_a_restart(tmp_path: Path, parts: None) -> None:
    web = Web(tmp_path, NATS_URL="nats://127.0.0.1:9")  # nobody listens there: flags do not need the broker
    with web:
        put(web.url, "triage", path="queued", percent=30).raise_for_status()
        put(web.url, "*", path="auto").raise_for_status()
        before = in_force(web.url)
        assert web.stop() == 0
        web.start()
        assert in_force(web.url) == before
        assert before["triage"] == {"task": "triage", "path": "queued", "percent": 30, "source": "task"}
