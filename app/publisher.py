"""Applies what follows from commits, in the order of commits: the one place from which anything is sent or started."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, Protocol

from app.effects import About, Effects, Piece
from app.jobs.job import Job
from app.pieces import Pieces, piece_packet, read_piece
from app.rooms import Room, Rooms

Relay = Callable[[Room, bytes, About, str | None], None]
"""Takes what is shown of a room, what it is about, and the task that it tells of."""


class Transport(Protocol):
    """What sends: app/transport."""

    def broadcast(self, connections: Iterable[Any], body: bytes) -> None:
        """Send an event to these connections."""

    def flush(self) -> None:
        """Send what was gathered."""


class Publisher:
    """Acknowledgements leave first, then what rooms are shown, then attempts start."""

    def __init__(
        self, transport: Transport, rooms: Rooms, start: Callable[[Job], None], drafts: Container[str] = ()
    ) -> None:
        """`drafts` are the tasks of which only those who answer people see anything."""
        self._transport, self._rooms, self._start, self._drafts = transport, rooms, start, drafts
        self.pieces = Pieces(transport.broadcast)
        self.relay: Relay = lambda room, packet, about, task: None  # to other web processes
        self.acknowledge: Callable[[list[bytes]], None] = lambda receipts: None  # the queue's, once there is one

    def apply(self, effects: Effects) -> None:
        """Send, resolve, acknowledge and start, in this order."""
        for reply, body in effects.replies:
            if reply.id:
                reply.connection.ack(reply.id, body)
        for room, what, about, task in effects.shown:
            if room.others:
                self.relay(room, piece_packet(room, what) if isinstance(what, Piece) else what, about, task)
            self._show(room, what, task)
        if effects.replies or effects.shown:
            self._transport.flush()
        for future, value in effects.answers:
            if not future.done():
                future.set_result(value)
        if effects.receipts:
            self.acknowledge(effects.receipts)
        for job in effects.starts:
            self._start(job)

    def show_relayed(self, room: Room, packet: bytes, task: str | None, to: Iterable[Any] | None = None) -> None:
        """Show people here, or some of them, what the owner of a room has told."""
        piece = read_piece(packet)
        self._show(room, packet if piece is None else piece, task, to)

    def _show(self, room: Room, what: bytes | Piece, task: str | None, to: Iterable[Any] | None = None) -> None:
        listeners = room.listeners if to is None else to
        if task in self._drafts:
            listeners = [connection for connection in listeners if connection.who.grant.answers_people]
        if isinstance(what, Piece):
            self.pieces.show(room, listeners, what)
        else:
            self._transport.broadcast(listeners, what)

    def show_jobs(self, jobs: Iterable[Job]) -> None:
        """Tell rooms how these jobs stand."""
        effects = Effects()
        for job in jobs:
            room = self._rooms.find(job.room)
            if room is not None:
                effects.show_job(room, job)
        self.apply(effects)
