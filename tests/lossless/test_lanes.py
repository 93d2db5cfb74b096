"""Pauses, limits and rates on a whole system, on both paths: nothing is lost, nothing runs twice, and nobody is starved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.compare.system import System
from tests.guest import WAIT, Guest
from tests.lossless.evidence import Gate, job, queue, until

WORKER_PLACES = 8


@pytest.fixture
def ann(workshop: System, path: str, guests: Callable[..., Guest], room: str) -> Guest:
    """Ann, in her room, on one path."""
    guest = guests(workshop.url, "Ann")
    guest.join(room)
    return guest


@pytest.fixture
def pause(workshop: System) -> Iterator[Callable[[str, bool], None]]:
    """Pauses a task, or lets it go on."""

    def set_paused(task: str, paused: bool) -> None:
        answer = requests.put(f"{workshop.url}/api/tasks/{task}", json={"paused": paused}, timeout=WAIT)
        answer.raise_for_status()

    yield set_paused
    set_paused("moody", False)


def test_what_waits_when_its_task_is_paused_is_kept_and_runs_once_when_it_goes_on(
    workshop: System, path: str, ann: Guest, room: str, gate: Gate, pause: Callable[[str, bool], None]
) -> None:
    """It waits behind slow ones, for a slot or on the stream, and in the worker's own hands."""
    slow = [ann.ask(room, "patient", gate=str(gate), number=number) for number in range(WORKER_PLACES)]
    until(gate.begun, "slow ones run")
    waiting = [ann.ask(room, "moody", mood="fine") for _ in range(20)]
    if path == "queued":
        until(lambda: _pending(workshop) == WORKER_PLACES + 20, "the broker has all of them")

    pause("moody", True)
    if path == "queued":
        until(lambda: _pending(workshop) == WORKER_PLACES, "they are off the stream")
    gate.open()
    for each in slow:
        ann.final(each["id"])
    other = ann.ask(room, "language", text="Chat goes on")
    assert ann.final(other["id"])["state"] == "succeeded"
    assert {job(workshop.url, each["id"])["state"] for each in waiting} == {"accepted"}

    pause("moody", False)
    for each in waiting:
        assert ann.final(each["id"])["attempt"] == 1
        assert [u["state"] for u in ann.all("job:update", id=each["id"])].count("succeeded") == 1


def test_as_many_run_as_max_inflight_says_and_one_slow_task_starves_no_other(
    workshop: System, ann: Guest, room: str, gate: Gate
) -> None:
    slow = [ann.ask(room, "narrow", gate=str(gate), number=number) for number in range(6)]
    until(lambda: len(gate.begun()) == 2, "two of them run")
    for _ in range(5):  # while more of the slow one wait than there are places
        assert ann.final(ann.ask(room, "language", text="Hello")["id"])["state"] == "succeeded"
    assert len(gate.begun()) == 2
    gate.open()
    for each in slow:
        assert ann.final(each["id"])["state"] == "succeeded"
    assert sorted(gate.begun()) == list(range(6))


def test_starts_keep_to_the_rate(workshop: System, ann: Guest, room: str, tmp_path: Path) -> None:
    asked = [ann.ask(room, "paced", book=str(tmp_path / "book")) for _ in range(8)]
    for each in asked:
        ann.final(each["id"])
    starts = sorted(float(word) for word in (tmp_path / "book").read_text().split())
    assert len(starts) == 8
    # 5 a second: the gaps add up to no less than that, whatever each start is late by
    assert starts[-1] - starts[0] >= 7 / 5 * 0.9


def _pending(system: System) -> Any:
    return (queue(system.url) or {}).get("pending", 0)
