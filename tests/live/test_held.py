"""Who holds the hub is named, and nobody else."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from app.compare.system import checkout_with
from app.live.held import MAX_KEPT, Holds
from app.where import ROOT, Step
from tests.guest import WAIT, Guest
from tests.run.test_supervisor import until
from tests.web import Web

COMPUTES = """
import time

from app.tasks import Text, task


@task
def computes(text: Text) -> dict[str, int]:
    until, rounds = time.monotonic() + 0.5, 0
    while time.monotonic() < until:
        rounds += 1
    return {"rounds": rounds}
"""


def step(file: str, line: int) -> Step:
    """A frame of a stack."""
    code = compile("", str(ROOT / file) if not file.startswith("/") else file, "exec")
    return code, line


SELECT = step("/usr/lib/python3/selectors.py", 468)
IDLE = [step("/usr/lib/python3/asyncio/base_events.py", 1898), SELECT]
TRIAGE = [step("app/jobs/executor.py", 40), step("app/tasks/triage.py", 12), step("/usr/lib/python3/json.py", 3)]


def named(*stacks: list[Step]) -> list[tuple[str | None, str]]:
    """Whom these looks name."""
    holds = Holds()
    holds.note(0.25, stacks)
    return [(hold.task, hold.where) for hold in holds.newest()]


def test_a_task_is_named_by_its_file_and_the_line_it_was_found_at_most_often() -> None:
    other = [*TRIAGE[:1], step("app/tasks/triage.py", 14)]
    assert named(TRIAGE, other, TRIAGE) == [("triage", "app/tasks/triage.py:12")]


def test_what_a_task_calls_is_the_tasks_doing() -> None:
    assert named(*[[*TRIAGE, step("ml_clients/triage.py", 7)]] * 3) == [("triage", "app/tasks/triage.py:12")]


def test_what_is_no_task_is_named_by_its_line() -> None:
    assert named(*[[step("app/chat/events.py", 20), step("/lib/x.py", 1)]] * 3) == [(None, "app/chat/events.py:20")]


def test_the_idle_poll_is_never_blamed_and_a_single_look_at_somebody_is_not_enough() -> None:
    assert named(IDLE, IDLE, IDLE) == []
    assert named(IDLE, IDLE, TRIAGE) == []
    assert named(TRIAGE) == []
    assert named() == []


def test_the_newest_are_kept() -> None:
    holds = Holds()
    for number in range(MAX_KEPT + 5):
        holds.note(number, [TRIAGE, TRIAGE])
    assert [hold.seconds for hold in holds.newest()] == [float(n) for n in range(MAX_KEPT + 4, 4, -1)]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web process with a task that computes on the hub."""
    data = tmp_path / "data"
    with Web(data, checkout_with({"computes": COMPUTES}, tmp_path)) as running:
        yield running


def held(web: Web) -> list[dict[str, Any]]:
    """As operators see it."""
    found: list[dict[str, Any]] = requests.get(f"{web.url}/api/operator", timeout=WAIT).json()["held"]
    return found


def test_a_task_that_computes_on_the_hub_is_named_in_one_line(web: Web, guests: Callable[..., Guest]) -> None:
    ann = guests(web.url, "Ann")
    ann.join("lobby")
    assert ann.final(ann.ask("lobby", "computes", text="x")["id"])["state"] == "succeeded"
    until(lambda: held(web), "nobody is named")

    found = held(web)[0]
    assert found.keys() == {"task", "at", "seconds", "where"}
    assert found["task"] == "computes"
    assert re.fullmatch(r"app/tasks/computes\.py:(9|10|11)", found["where"])
    assert found["seconds"] > 0.1
    lines = [line for line in web.log.read_text().splitlines() if "computes" in line]
    assert len(lines) == 1
    assert "a task held the hub" in lines[0]
    assert found["where"] in lines[0]
    assert len(lines[0]) < 200


def test_a_process_that_was_stopped_for_a_while_blames_nobody(web: Web) -> None:
    def late() -> int:
        text = requests.get(f"{web.url}/metrics", timeout=WAIT).text
        buckets = dict(re.findall(r'spillway_hub_lag_seconds_bucket\{le="([^"]+)"\} (\d+)', text))
        return int(buckets.get("+Inf", 0)) - int(buckets.get("0.25", 0))  # there are none before the first reading

    until(lambda: psutil.Process(web.process.pid).status() == psutil.STATUS_SLEEPING, "it never idles")
    before = late()
    os.kill(web.process.pid, signal.SIGSTOP)
    time.sleep(0.6)  # how long it is stopped: what is looked at is not the time, but whom it names
    os.kill(web.process.pid, signal.SIGCONT)
    until(lambda: late() > before, "its lag was not counted")
    assert held(web) == []
    assert "held" not in web.log.read_text()
