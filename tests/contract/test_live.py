"""GET /api/live: what jobs did on their path, as the operator page draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.compare.system import System
from tests.conftest import Site
from tests.guest import WAIT, Guest
from tests.quiet import quiet
from tests.web import Web

MODELS = ("triage", "language", "sentiment")
COUNTED = {"accepted", "succeeded", "failed", "cancelled", "skipped", "retried", "answers", "p50_ms", "p95_ms"}
GAUGES = {"running", "backlog", "outbox", "queue_messages", "queue_bytes", "hub_lag_ms", "clients"}


def live(system: System | Web, **asked: str) -> dict[str, Any]:
    """The answer, in the contract's shape."""
    answer = requests.get(f"{system.url}/api/live", params=asked, headers=system.headers, timeout=WAIT)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    assert report.keys() == {"at", "began", "task", "minutes", "step", "paths", "points", "changes", "flags"}
    assert report["paths"].keys() == {"simple", "queued"}
    assert all(each.keys() == COUNTED for each in report["paths"].values())
    for point in report["points"]:
        assert point.keys() == {"at", "seconds", "simple", "queued"} | GAUGES
        assert point["simple"].keys() == point["queued"].keys() == COUNTED | {"under_way"}
    return report


def done(system: System, task: str) -> dict[str, int]:
    """How many jobs succeeded on each path."""
    return {path: each["succeeded"] for path, each in live(system, task=task, minutes="60")["paths"].items()}


def test_what_jobs_did_is_on_their_path(site: Site, ann: Guest, room: str) -> None:
    quiet(site.url, site.system.headers)
    before = done(site.system, "sentiment")
    seqs = [ann.say(room, f"Line {number}")["seq"] for number in range(5)]
    jobs = [ann.found(seq, *MODELS)["sentiment"] for seq in seqs]
    expected = {path: count + sum(job["path"] == path for job in jobs) for path, count in before.items()}
    assert done(site.system, "sentiment") == expected

    report = live(site.system, task="sentiment", minutes="60")
    assert (report["task"], report["minutes"], report["step"]) == ("sentiment", 60, 60)
    assert report["began"] <= report["points"][0]["at"] or report["points"][0]["seconds"] < 60
    for path in ("simple", "queued"):
        assert report["paths"][path]["succeeded"] == sum(point[path]["succeeded"] for point in report["points"])
    assert report["paths"][jobs[0]["path"]]["p50_ms"] > 0
    assert [flag["task"] for flag in report["flags"]] == ["sentiment"]


def test_all_tasks_together_are_the_sum_of_each(site: Site, ann: Guest, room: str) -> None:
    ann.found(ann.say(room, "How are you today?")["seq"], *MODELS)
    quiet(site.url, site.system.headers)
    tasks = [each["task"] for each in site.ask("GET", "/api/tasks").json()["tasks"]]
    parts = [live(site.system, task=task, minutes="60")["paths"] for task in tasks]
    whole = live(site.system, minutes="60")
    for path in ("simple", "queued"):
        assert whole["paths"][path]["answers"] == sum(part[path]["answers"] for part in parts)
    assert [flag["task"] for flag in whole["flags"]] == tasks


def test_since_gives_only_what_is_new(site: Site) -> None:
    report = live(site.system)
    again = live(site.system, since=report["at"])
    assert again["began"] == report["began"]
    assert [point["at"] for point in again["points"] if point["at"] < report["points"][-1]["at"]] == []


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"task": "nonsense"}, 404, "task"),
        ({"minutes": "15"}, 400, "minutes"),
        ({"since": "yesterday"}, 400, "since"),
        ({"since": "2026-01-31T09:30:00"}, 400, "since"),
        ({"window": "10"}, 400, "window"),
    ],
)
def test_what_makes_no_sense_is_named(system: System, asked: dict[str, str], status: int, field: str) -> None:
    answer = requests.get(f"{system.url}/api/live", params=asked, timeout=WAIT)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ({400: "bad_request", 404: "not_found"}[status], field)


def test_a_change_of_the_flag_is_marked(system: System) -> None:
    before = len(live(system, task="triage")["changes"])
    requests.put(f"{system.url}/api/flags/triage", json={"path": "queued", "percent": 50}, timeout=WAIT)
    try:
        report = live(system, task="triage")
    finally:
        system.unset("triage")
    assert [(each["path"], each["percent"]) for each in report["changes"][before:]] == [("queued", 50)]
    assert report["changes"][-1]["at"] <= report["at"]
    assert [(flag["path"], flag["percent"]) for flag in report["flags"]] == [("queued", 50)]


@pytest.fixture
def plain(tmp_path: Path, ml_url: str) -> Iterator[Web]:
    """A web process without a ledger."""
    with Web(tmp_path, LEDGER="off", ML_URL=ml_url) as web:
        yield web


def test_without_a_ledger_it_is_counted_all_the_same(plain: Web, guests: Callable[..., Guest], room: str) -> None:
    ann = guests(plain.url, "Ann")
    ann.join(room)
    ann.found(ann.say(room, "Good morning")["seq"], *MODELS)
    report = live(plain, task="triage")
    figures = report["paths"]["simple"]
    assert (figures["accepted"], figures["succeeded"], figures["answers"]) == (1, 1, 1)
    assert report["paths"]["queued"]["accepted"] == 0
    ann.close()
