"""Showing texts as they grow: who reads slowly gets fewer, larger pieces, and never a backlog of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from app.contract import JobDelta
from app.effects import Piece
from app.rooms import Room, packet

LOOK_SECONDS = 0.1  # between two looks whether those who were behind have caught up

DELTA = b'["job:delta"'
_read_delta = msgspec.json.Decoder(tuple[str, JobDelta]).decode

Broadcast = Callable[[Iterable[Any], bytes], None]


class Pieces:
    """Broadcasts pieces, and keeps those of connections that have not taken what was sent to them before.

    What is kept for one connection is at most one text a job that runs.
    """

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._kept: dict[tuple[Any, str], tuple[Room, Piece]] = {}  # by connection and job

    def show(self, room: Room, listeners: Iterable[Any], piece: Piece) -> None:
        """Send the piece, with what was kept before it; the last one waits for nobody."""
        ready = []
        for connection in listeners:
            kept = self._kept.get((connection, piece.job)) if self._kept else None
            if kept is None and (piece.last or not connection.is_behind):
                ready.append(connection)
            else:
                self._keep(room, connection, kept[1] if kept else None, piece)
                if piece.last or not connection.is_behind:
                    self._send_kept(connection, piece.job)
        if ready and piece.text:
            self._broadcast(ready, piece_packet(room, piece))

    def look(self) -> None:
        """Send what was kept to those who have caught up; to be called often."""
        for connection, job in list(self._kept):
            room, _ = self._kept[connection, job]
            if connection.closed or connection not in room.listeners:
                del self._kept[connection, job]
            elif not connection.is_behind:
                self._send_kept(connection, job)

    def _keep(self, room: Room, connection: Any, kept: Piece | None, piece: Piece) -> None:
        if kept is not None and kept.attempt == piece.attempt and kept.offset <= piece.offset:
            text = kept.text[: piece.offset - kept.offset] + piece.text
            piece = piece._replace(offset=kept.offset, text=text)
        self._kept[connection, piece.job] = room, piece

    def _send_kept(self, connection: Any, job: str) -> None:
        room, piece = self._kept.pop((connection, job))
        if piece.text:
            self._broadcast([connection], piece_packet(room, piece))


def read_piece(told: bytes) -> Piece | None:
    """The piece in `job:delta` as it goes over the wire; None of any other event."""
    if not told.startswith(DELTA):
        return None
    _, delta = _read_delta(told)
    return Piece(delta.job, delta.attempt, delta.offset, delta.text)


def piece_packet(room: Room, piece: Piece) -> bytes:
    """`job:delta` as it goes over the wire."""
    return packet("job:delta", JobDelta(room.name, piece.job, piece.attempt, piece.offset, piece.text))
