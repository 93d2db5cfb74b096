"""python-socketio's rooms across web processes: what stock handlers emit reaches clients wherever they are connected.

It is python-socketio's own manager for several servers (PubSubManager), with the backplane in the place of its listening
thread: emit, rooms, skip_sid, disconnect and callbacks mean what its documentation says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import socketio
import structlog

from app.transport.upstream.rooms import Rooms

log = structlog.get_logger()


class Everywhere(socketio.PubSubManager, Rooms):  # type: ignore[misc]  # ships no types
    """As Rooms, and once `spread` is set for the clients of every process."""

    def __init__(self) -> None:
        super().__init__()
        self.spread: Callable[[bytes], None] | None = None  # tells every other process; called on the loop

    def initialize(self) -> None:
        """No thread listens: `take` is called instead."""
        Rooms.initialize(self)

    def emit(self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None,
             callback: Any = None, to: Any = None, **options: Any) -> None:  # fmt: skip
        """Send an event to everybody in a room."""
        sends = Rooms.emit if self.spread is None else socketio.PubSubManager.emit
        sends(self, event, data, namespace, room, skip_sid, callback, to, **options)

    def can_disconnect(self, sid: str, namespace: str) -> Any:
        """Whether this process may end the connection; one of another process is ended there."""
        alone = self.spread is None
        return Rooms.can_disconnect(self, sid, namespace) if alone else super().can_disconnect(sid, namespace)

    def disconnect(self, sid: str, namespace: str | None = None, **options: Any) -> Any:
        """End a connection, wherever it is."""
        if self.spread is None or self.is_connected(sid, namespace or "/"):
            return Rooms.disconnect(self, sid, namespace, **options)
        return super().disconnect(sid, namespace, **options)

    def take(self, message: bytes) -> None:
        """What another process, or a program outside, has to say."""
        said = json.loads(message)
        handle = {
            "emit": self._handle_emit,
            "callback": self._handle_callback,
            "disconnect": self._handle_disconnect,
            "enter_room": self._handle_enter_room,
            "leave_room": self._handle_leave_room,
            "close_room": self._handle_close_room,
        }.get(said.get("method"))
        if handle is not None:
            handle(said)

    def _publish(self, data: Any) -> None:
        if self.spread is not None:
            self.server.concurrency.post(self.spread, json.dumps(data).encode())
