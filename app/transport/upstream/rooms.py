"""python-socketio's rooms, with packets packed once."""

from __future__ import annotations

from typing import Any

import socketio
from socketio.packet import EVENT

from app.transport.packets import Outgoing
from app.transport.session import Session


class Rooms(socketio.Manager):  # type: ignore[misc]  # ships no types
    """python-socketio's rooms, with packets packed once and without a look at every room when a client leaves."""

    def __init__(self) -> None:
        super().__init__()
        self._entered: dict[tuple[str, str], set[Any]] = {}  # (namespace, sid) -> rooms besides its own

    def emit(self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None,
             callback: Any = None, to: Any = None, **options: Any) -> None:  # fmt: skip
        """Send an event to everybody in a room."""
        if callback:
            super().emit(event, data, namespace, room, skip_sid, callback, to, **options)
            return
        values = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        packet = self.server.packet_class(EVENT, namespace=namespace, data=[event, *values])
        encoded = packet.encode()
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        sockets = self.server.eio.sockets
        recipients = [
            sockets.get(eio_sid) for sid, eio_sid in self.get_participants(namespace, to or room) if sid not in skipped
        ]
        parts = encoded if isinstance(encoded, list) else [encoded]
        outgoing = Outgoing([f"4{part}" if isinstance(part, str) else bytes(part) for part in parts])
        self.server.concurrency.post(_deliver, recipients, outgoing)

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """As python-socketio, and remembered by client."""
        super().basic_enter_room(sid, namespace, room, eio_sid)
        if room is not None and room != sid:
            self._entered.setdefault((namespace, sid), set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """As python-socketio."""
        super().basic_leave_room(sid, namespace, room)
        self._entered.get((namespace, sid), set()).discard(room)

    def basic_disconnect(self, sid: str, namespace: str, **options: Any) -> None:
        """As python-socketio, which looks through every room there is: 10,000 clients that leave took 10,000 times that."""
        for room in (*self._entered.pop((namespace, sid), ()), sid, None):
            super().basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]


def _deliver(recipients: list[Session | None], outgoing: Outgoing) -> None:
    for session in recipients:
        if session:
            session.deliver(outgoing)
