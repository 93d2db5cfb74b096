"""Rooms stay in memory while something happens in them, and are forgotten some time after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app import rooms as module
from app.contract import Person
from app.rooms import Rooms


class Somebody:
    """A connection of somebody."""

    who = SimpleNamespace(person=Person("ann", "Ann"))


def test_a_room_is_counted_from_where_it_was_first_taken_up() -> None:
    rooms = Rooms()
    assert rooms.find("lobby") is None
    room = rooms.take_up("lobby", 7)
    assert rooms.take_up("lobby", 3) is room
    assert (room.seq, room.next_seq) == (7, 7)


def test_the_rooms_longest_idle_are_forgotten_first_and_busy_ones_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_IDLE_ROOMS", 2)
    rooms = Rooms()
    made = {name: rooms.take_up(name, 0) for name in ("a", "b", "c", "d")}
    for name in "ab":
        rooms.let_go(made[name])
    made["a"].let_in(Somebody())  # came back
    rooms.let_go(made["c"])
    rooms.let_go(made["d"])
    assert {room.name for room in rooms} == {"a", "c", "d"}


@pytest.mark.parametrize(
    "busy",
    [
        lambda room: room.let_in(Somebody()),
        lambda room: room.jobs.update({1: None}),
        lambda room: room.line("answer").join(1),
        lambda room: setattr(room, "next_seq", 1),
    ],
    ids=["somebody is in it", "a job runs", "a job waits for its turn", "a message is being stored"],
)
def test_a_room_in_which_something_happens_is_not_idle(busy: Any) -> None:
    room = Rooms().take_up("lobby", 0)
    assert room.idle
    busy(room)
    assert not room.idle
