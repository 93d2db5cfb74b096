"""Applies what follows from commits, in the order of commits: the one place from which anything is sent or started."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from app.effects import About, Effects
from app.jobs.job import Job
from app.rooms import Room, Rooms


class Transport(Protocol):
    """What sends: app/transport."""

    def broadcast(self, connections: Iterable[Any], body: bytes) -> None:
        """Send an event to these connections."""

    def flush(self) -> None:
        """Send what was gathered."""


class Publisher:
    """Acknowledgements leave first, then what rooms are shown, then attempts start."""

    def __init__(self, transport: Transport, rooms: Rooms, start: Callable[[Job], None]) -> None:
        self._transport, self._rooms, self._start = transport, rooms, start
        self.relay: Callable[[Room, bytes, About], None] = lambda room, packet, about: None  # to other web processes
        self.acknowledge: Callable[[list[bytes]], None] = lambda receipts: None  # the queue's, once there is one

    def apply(self, effects: Effects) -> None:
        """Send, resolve, acknowledge and start, in this order."""
        for reply, body in effects.replies:
            if reply.id:
                reply.connection.ack(reply.id, body)
        for room, packet, about in effects.shown:
            self._transport.broadcast(room.listeners, packet)
            if room.others:
                self.relay(room, packet, about)
        if effects.replies or effects.shown:
            self._transport.flush()
        for future, value in effects.answers:
            if not future.done():
                future.set_result(value)
        if effects.receipts:
            self.acknowledge(effects.receipts)
        for job in effects.starts:
            self._start(job)

    def show_jobs(self, jobs: Iterable[Job]) -> None:
        """Tell rooms how these jobs stand."""
        effects = Effects()
        for job in jobs:
            room = self._rooms.find(job.room)
            if room is not None:
                effects.show_job(room, job)
        self.apply(effects)
