"""Cancel: at once and for good, wherever the job is, on both paths; what still runs has its answer dropped."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.compare.system import System
from tests.faults.parts import hit, stopped
from tests.guest import Guest
from tests.lossless.evidence import Gate, figure, job, ready, until

Come = Callable[..., Guest]
PLACES = 8  # more than MAX_INFLIGHT, and as many as a worker runs at once


@pytest.fixture
def ann(workshop: System, path: str, guests: Come, room: str) -> Guest:
    """Ann, in her room, on one path."""
    guest = guests(workshop.url, "Ann")
    guest.join(room)
    return guest


def cancel(guest: Guest, id: str) -> dict[str, Any]:
    """The job as the ack of job:cancel has it."""
    return dict(guest.ok("job:cancel", {"job": id})["job"])


def dropped(system: System) -> float:
    """How many outcomes came for jobs that were final already."""
    return figure(system.url, "spillway_outcomes_dropped_total", why="already final")


def states(guest: Guest, id: str) -> list[str]:
    """The states in which this guest saw the job, in order."""
    return [update["state"] for update in guest.all("job:update", id=id)]


def begins(gate: Gate, *numbers: int) -> None:
    """Wait until these runs have begun."""
    until(lambda: set(numbers) <= set(gate.begun()), f"runs {numbers} begin")


def test_a_job_cancelled_before_it_starts_never_runs(workshop: System, ann: Guest, room: str, gate: Gate) -> None:
    held = [ann.ask(room, "patient", gate=str(gate), number=number) for number in range(PLACES)]
    begins(gate, 0)
    victim = ann.ask(room, "patient", gate=str(gate), number=PLACES)

    assert cancel(ann, victim["id"])["state"] == "cancelled"

    ann.saw("job:update", id=victim["id"], state="cancelled")
    gate.open()
    after = ann.ask(room, "patient", gate=str(gate), number=PLACES + 1)
    assert {ann.final(each["id"])["state"] for each in [*held, after]} == {"succeeded"}
    assert PLACES not in gate.begun()
    assert states(ann, victim["id"]).count("cancelled") == 1
    assert job(workshop.url, victim["id"])["state"] == "cancelled"


def test_the_late_answer_of_a_job_cancelled_while_it_runs_is_dropped(
    workshop: System, ann: Guest, room: str, gate: Gate
) -> None:
    before = dropped(workshop)
    asked = ann.ask(room, "patient", gate=str(gate))
    begins(gate, 0)

    assert cancel(ann, asked["id"])["state"] == "cancelled"
    gate.open()
    until(lambda: dropped(workshop) > before, "the late answer has come")

    assert [state for state in states(ann, asked["id"]) if state not in ("accepted", "running")] == ["cancelled"]
    shown = job(workshop.url, asked["id"])
    assert shown["state"] == "cancelled"
    assert "result" not in shown


def test_answers_behind_a_cancelled_job_come_at_once(ann: Guest, room: str, gate: Gate, tmp_path: Path) -> None:
    other = Gate(tmp_path / "other")
    other.open()
    first = ann.ask(room, "patient", gate=str(gate))
    begins(gate, 0)
    second = ann.ask(room, "patient", gate=str(other), number=2)

    cancel(ann, first["id"])

    assert ann.final(second["id"])["result"] == {"number": 2}
    gate.open()


def test_a_queued_job_is_cancelled_while_no_worker_takes_any(
    workshop: System, guests: Come, room: str, gate: Gate
) -> None:
    workshop.flag("queued")
    ann = guests(workshop.url, "Ann")
    ann.join(room)
    gate.open()
    with stopped(workshop, "worker"):
        asked = ann.ask(room, "patient", gate=str(gate))
        assert asked["path"] == "queued"
        assert cancel(ann, asked["id"])["state"] == "cancelled"

    after = ann.ask(room, "patient", gate=str(gate), number=1)
    assert ann.final(after["id"])["state"] == "succeeded"
    assert job(workshop.url, asked["id"])["state"] == "cancelled"
    assert "succeeded" not in states(ann, asked["id"])


@pytest.mark.parametrize("name", ["Ann", "Ben"])
def test_it_may_come_from_another_tab_or_another_member_and_everybody_sees_it(
    workshop: System, ann: Guest, guests: Come, room: str, gate: Gate, name: str
) -> None:
    asked = ann.ask(room, "patient", gate=str(gate))
    other = guests(workshop.url, name)
    other.join(room)

    assert cancel(other, asked["id"])["state"] == "cancelled"

    for guest in (ann, other):
        guest.saw("job:update", id=asked["id"], state="cancelled")
    gate.open()


def test_who_is_not_in_the_room_is_told_that_there_is_no_such_job(
    workshop: System, ann: Guest, guests: Come, room: str, gate: Gate
) -> None:
    asked = ann.ask(room, "patient", gate=str(gate))
    eve = guests(workshop.url, "Eve")
    eve.join(f"{room}-next-door")

    for id in (asked["id"], secrets.token_hex(13)):
        error = eve.refused("job:cancel", {"job": id})
        assert (error["code"], error["field"]) == ("not_found", "job")

    gate.open()
    assert ann.final(asked["id"])["state"] == "succeeded"


@pytest.mark.parametrize(("mood", "state"), [("fine", "succeeded"), ("broken", "failed")])
def test_a_finished_job_comes_back_unchanged(workshop: System, ann: Guest, room: str, mood: str, state: str) -> None:
    asked = ann.ask(room, "moody", mood=mood)
    final = ann.final(asked["id"])

    assert cancel(ann, asked["id"]) == final

    assert final["state"] == state
    assert job(workshop.url, asked["id"]) == final


def test_cancelling_twice_is_once(ann: Guest, room: str, gate: Gate) -> None:
    asked = ann.ask(room, "patient", gate=str(gate))
    assert cancel(ann, asked["id"]) == cancel(ann, asked["id"])
    gate.open()
    ann.ask(room, "moody", mood="fine")
    assert states(ann, asked["id"]).count("cancelled") == 1


def test_a_job_cancelled_while_it_waits_for_its_retry_is_not_brought_back_by_a_flip(
    workshop: System, path: str, ann: Guest, room: str, tmp_path: Path
) -> None:
    book = str(tmp_path / "book")
    asked = ann.ask(room, "fickle", book=book, number=1, fails=1, again=2.0)
    ann.saw("job:update", id=asked["id"], state="retrying")
    cancel(ann, asked["id"])

    workshop.flag({"simple": "queued", "queued": "simple"}[path])
    fence = ann.ask(
        room, "fickle", book=book, number=2, fails=1, again=2.0
    )  # tried again later than the other would be

    assert ann.final(fence["id"])["state"] == "succeeded"
    assert states(ann, asked["id"])[-2:] == ["retrying", "cancelled"]
    assert job(workshop.url, asked["id"])["state"] == "cancelled"


def test_it_holds_after_the_web_process_was_killed(
    workshop: System, ann: Guest, guests: Come, room: str, gate: Gate
) -> None:
    before, after = (ann.ask(room, "patient", gate=str(gate), number=number) for number in (1, 2))
    begins(gate, 1, 2)
    cancel(ann, before["id"])
    hit(workshop, "web", signal.SIGKILL)
    until(lambda: not ann.connected, "the connection breaks")
    until(lambda: ready(workshop.url), "it is back")
    again = guests(workshop.url, "Ann")
    known = {each["id"]: each["state"] for each in again.join(room, after=0)["jobs"]}

    assert known[before["id"]] == "cancelled"
    assert cancel(again, after["id"])["state"] == "cancelled"
    gate.open()
    done = again.ask(room, "patient", gate=str(gate), number=3)
    assert again.final(done["id"])["state"] == "succeeded"
    for id in (before["id"], after["id"]):
        assert job(workshop.url, id)["state"] == "cancelled"
        assert "succeeded" not in states(again, id)
