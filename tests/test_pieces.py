"""Texts as they grow: who reads slowly gets fewer, larger pieces, misses nothing, and is kept no backlog."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.effects import Piece
from app.pieces import Pieces
from app.rooms import Room


class Reader:
    """A connection that reads, or does not."""

    def __init__(self) -> None:
        self.is_behind = self.closed = False
        self.got: list[dict[str, Any]] = []

    @property
    def text(self) -> str:
        """What it has of the newest attempt it heard of."""
        text = ""
        for delta in self.got:
            assert delta["offset"] <= len(text)
            text = text[: delta["offset"]] + delta["text"]
        return text


def broadcast(connections: Iterable[Any], body: bytes) -> None:
    """Bring it to them."""
    for each in connections:
        event, data = json.loads(body)
        assert event == "job:delta"
        each.got.append(data)


def room_of(*readers: Reader) -> Room:
    """A room in which they are."""
    room = Room("lobby", 0)
    room.listeners.update(dict.fromkeys(readers))
    return room


@given(st.lists(st.tuples(st.text(max_size=5), st.booleans(), st.booleans()), max_size=40))
def test_everybody_has_the_whole_text_in_the_end(steps: list[tuple[str, bool, bool]]) -> None:
    pieces, quick, slow = Pieces(broadcast), Reader(), Reader()
    room, text = room_of(quick, slow), ""
    for piece, slow.is_behind, look in steps:
        pieces.show(room, room.listeners, Piece("job", 1, len(text), piece))
        text += piece
        if look:
            pieces.look()
    pieces.show(room, room.listeners, Piece("job", 1, len(text), "", last=True))
    assert quick.text == slow.text == text
    assert len(slow.got) <= len(quick.got)
    assert not pieces._kept


def test_who_does_not_read_gets_one_piece_when_they_do() -> None:
    pieces, slow = Pieces(broadcast), Reader()
    room = room_of(slow)
    slow.is_behind = True
    for number in range(100):
        pieces.show(room, room.listeners, Piece("job", 1, number, "x"))
    assert slow.got == []
    slow.is_behind = False
    pieces.look()
    assert [(delta["offset"], delta["text"]) for delta in slow.got] == [(0, "x" * 100)]


def test_the_next_attempt_replaces_what_was_kept() -> None:
    pieces, slow = Pieces(broadcast), Reader()
    room = room_of(slow)
    slow.is_behind = True
    pieces.show(room, room.listeners, Piece("job", 1, 0, "first"))
    pieces.show(room, room.listeners, Piece("job", 2, 0, "second"))
    slow.is_behind = False
    pieces.look()
    assert [(delta["attempt"], delta["text"]) for delta in slow.got] == [(2, "second")]


def test_nothing_is_kept_for_who_is_gone() -> None:
    pieces, gone, left = Pieces(broadcast), Reader(), Reader()
    room = room_of(gone, left)
    gone.is_behind = left.is_behind = True
    pieces.show(room, room.listeners, Piece("job", 1, 0, "text"))
    gone.closed = True
    del room.listeners[left]
    pieces.look()
    left.is_behind = False
    pieces.look()
    assert not pieces._kept
    assert gone.got == left.got == []
