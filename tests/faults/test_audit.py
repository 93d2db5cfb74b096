"""The audit finds what is wrong: each damage here is done by hand to a room that is right."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.compare.client import ClientRecord, Findings, Room, audit

ANN = {"id": "ann", "name": "Ann"}


def message(seq: int, **more: Any) -> dict[str, Any]:
    return {"room": "r", "seq": seq, "id": f"m{seq}", "sender": ANN, "kind": "user", "text": f"line {seq}", **more}


def job(id: str, task: str, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {"room": "r", "id": id, "task": task, "path": "simple", "state": state, "attempt": 1, **more}


@pytest.fixture
def room() -> Room:
    """Two user messages with their jobs, then two summaries."""
    said = [message(1, key="k1"), message(2, key="k2")]
    answers = [message(3, kind="ml", job="s1", text="Summary"), message(4, kind="ml", job="s2", text="Summary")]
    started = [job(f"{task}{seq}", task, message=seq) for seq in (1, 2) for task in ("triage", "language", "sentiment")]
    return Room("r", [*said, *answers], [*started, job("s1", "summarize", key="a"), job("s2", "summarize", key="b")])


@pytest.fixture
def record(room: Room) -> ClientRecord:
    """Of Ann, who saw all of it."""
    record = ClientRecord()
    record.sent = {each["key"]: each for each in copy.deepcopy(room.messages) if each["kind"] == "user"}
    record.requested = {each["key"]: each for each in copy.deepcopy(room.jobs) if each.get("key")}
    record.live = [each["seq"] for each in room.messages]
    record.finals = [list(copy.deepcopy(room.jobs))]
    record.times_shown = {each["id"]: 1 for each in room.jobs}
    return record


def test_a_room_that_is_right_has_no_findings(room: Room, record: ClientRecord) -> None:
    assert audit(room, [record]) == Findings()


def test_a_dropped_message_is_found(room: Room, record: ClientRecord) -> None:
    del room.messages[1]

    found = audit(room, [record])

    assert any("acknowledged and is not there" in each for each in found.lost)
    assert any("gaps" in each for each in found.lost)


def test_a_message_that_was_changed_is_found(room: Room, record: ClientRecord) -> None:
    room.messages[0]["text"] = "something else"

    assert any("not what was acknowledged" in each for each in audit(room, [record]).lost)


def test_a_doubled_message_is_found(room: Room, record: ClientRecord) -> None:
    room.messages.append(message(5, key="k1", text="line 1"))

    assert audit(room, [record]).doubled


def test_a_doubled_answer_is_found(room: Room, record: ClientRecord) -> None:
    room.messages.append(message(5, kind="ml", job="s2", text="Summary"))

    assert any("answered 2 times" in each for each in audit(room, [record]).doubled)


def test_two_swapped_answers_are_found(room: Room, record: ClientRecord) -> None:
    room.messages[2]["job"], room.messages[3]["job"] = "s2", "s1"

    assert audit(room, [record]).disordered


def test_a_missing_answer_is_found(room: Room, record: ClientRecord) -> None:
    room.messages.pop()

    assert any("its answer is not there" in each for each in audit(room, [record]).lost)


def test_a_job_that_never_ended_is_found(room: Room, record: ClientRecord) -> None:
    room.jobs[0]["state"] = "running"

    assert any("never ended" in each for each in audit(room, [record]).lost)


def test_a_job_that_was_accepted_and_is_gone_is_found(room: Room, record: ClientRecord) -> None:
    room.jobs = [each for each in room.jobs if each["id"] != "s1"]

    assert any("accepted and is not there" in each for each in audit(room, [record]).lost)


def test_a_message_without_one_of_its_jobs_is_found(room: Room, record: ClientRecord) -> None:
    del room.jobs[0]

    assert any("0 triage jobs" in each for each in audit(room, [record]).lost)


def test_an_outcome_shown_twice_is_found(room: Room, record: ClientRecord) -> None:
    record.times_shown["triage1"] = 2

    assert any("shown 2 times" in each for each in audit(room, [record]).doubled)


def test_outcomes_shown_in_another_order_are_found(room: Room, record: ClientRecord) -> None:
    record.finals = [[job("00000000022", "summarize"), job("00000000011", "summarize")]]

    assert any("shown too late" in each for each in audit(room, [record]).disordered)


def test_messages_that_came_live_in_another_order_are_found(room: Room, record: ClientRecord) -> None:
    record.live = [1, 3, 2]

    assert audit(room, [record]).disordered
