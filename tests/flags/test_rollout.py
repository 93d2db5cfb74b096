"""Who a flag holds for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.flags.rollout import ALL, Flag, in_force, path_for, share

ROOMS = [f"room-{number}" for number in range(4000)]
names = st.text(min_size=1, max_size=20)


@given(names, names)
def test_a_rooms_share_is_always_the_same(task: str, room: str) -> None:
    assert share(task, room) == share(task, room) in range(100)


def test_a_rooms_share_is_the_same_in_every_release() -> None:
    assert [share("triage", room) for room in ("lobby", "ward-7", "night")] == [69, 30, 31]


@given(names, names, st.integers(0, 100), st.integers(0, 100))
def test_raising_a_percentage_moves_nobody_back(task: str, room: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    if path_for(Flag("queued", low), task, room) == "queued":
        assert path_for(Flag("queued", high), task, room) == "queued"


def test_a_percentage_is_about_that_share_of_rooms() -> None:
    for percent in (5, 30, 75):
        taken = sum(path_for(Flag("queued", percent), "triage", room) == "queued" for room in ROOMS)
        assert abs(taken / len(ROOMS) - percent / 100) < 0.03


def test_none_and_all_mean_none_and_all() -> None:
    assert {path_for(Flag("queued", 0), "triage", room) for room in ROOMS} == {"simple"}
    assert {path_for(Flag("queued", 100), "triage", room) for room in ROOMS} == {"queued"}


def test_tasks_do_not_pick_the_same_rooms() -> None:
    half = Flag("queued", 50)
    both = sum(path_for(half, "triage", r) == path_for(half, "language", r) == "queued" for r in ROOMS)
    assert abs(both / len(ROOMS) - 0.25) < 0.03


def test_a_task_beats_all_and_all_beats_the_default() -> None:
    mine, everybodys = Flag("queued", 10), Flag("auto")
    assert in_force({"triage": mine, ALL: everybodys}, "triage", "simple") == (mine, "task")
    assert in_force({"language": mine, ALL: everybodys}, "triage", "simple") == (everybodys, ALL)
    assert in_force({"language": mine}, "triage", "auto") == (Flag("auto"), "default")
