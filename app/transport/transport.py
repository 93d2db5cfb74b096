"""The transport as the application sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from app.concurrency import Concurrency
from app.transport.connection import Connection
from app.transport.listener import Listener
from app.transport.packets import OutgoingText
from app.transport.pending import Pending
from app.transport.session import Limits
from app.transport.upstream.server import Hooks, Server, plug_into
from app.transport.websocket import Output

PATH = "/socket.io/"
FLUSH_SECONDS = 1.0  # for the last words of all connections when the process stops


class Transport(Hooks):
    """Serves Socket.IO. Everything but the constructor, `plug_into` and `drain` is called on the loop.

    `on_event(connection, id, body)` gets each event of a connected client on "/": the digits of the id its ack is to
    have (empty when none is wanted) and the JSON array of name and arguments, which nobody has looked into yet. It
    never blocks, and returns False for what is to go to the handlers of python-socketio instead; these run where they
    may block, in order for each client. `on_connect` raises ConnectionRefusedError to refuse; where
    `before_connect(auth)` is set, it is called before it and may block. `on_disconnect` is called
    once for each connection that was accepted.
    """

    def __init__(
        self,
        concurrency: Concurrency,
        max_unsent: int = 4 << 20,
        max_packets: int = 2000,
        head_seconds: float = 10.0,
        connect_seconds: float = 10.0,
        max_sessions: int = 100_000,
        pending_per_address: int = 64,
        **options: Any,
    ) -> None:
        """Bounds: `max_unsent` bytes wait for one client (and `max_packets` for one that polls), then it is cut off;
        `max_sessions` are open, further ones are refused; `pending_per_address` connections of one address may be
        still to send a request, or to connect.

        `options` are those of python-socketio's server.
        """
        self._concurrency = concurrency
        self._output = Output(concurrency.loop, max_unsent)
        pending = Pending(concurrency.loop, pending_per_address)
        limits = Limits(connect_seconds, max_unsent, max_packets, max_sessions, pending)
        self.server = Server(concurrency, self, self._output, limits, **options)
        self.listener = Listener(concurrency.loop, PATH, head_seconds, pending)

    @property
    def connections(self) -> dict[str, Connection]:
        """Connected clients by their Socket.IO sid."""
        return self.server.connections

    @property
    def sessions(self) -> int:
        """How many clients there are, those who have not connected yet included."""
        return len(self.server.eio.sockets)

    def broadcast(self, connections: Iterable[Connection], body: bytes) -> None:
        """Send an event, a JSON array of its name and its arguments, to many; packed once."""
        outgoing = OutgoingText(b"42" + body)
        self._output.gather((connection.sender for connection in connections), outgoing)

    def flush(self) -> None:
        """Send everything gathered so far, now."""
        self._output.flush()

    def spread(self, tell: Callable[[bytes], None]) -> None:
        """Tell other processes what python-socketio's own handlers emit; `take` gets what they tell."""
        self.server.manager.spread = tell

    def take(self, message: bytes) -> None:
        """What handlers of another process emitted."""
        self.server.manager.take(message)

    def plug_into(self, flask_socketio: Any) -> None:
        """Have a Flask-SocketIO object use this transport."""
        plug_into(flask_socketio, self.server)

    def drain(self) -> None:
        """Hang up on everybody, as a lost connection would, and wait a moment until all that was sent has left."""
        self._concurrency.call(self._hang_up)
        until = time.monotonic() + FLUSH_SECONDS
        time.sleep(0.05)  # requests that were answered are written by threads we do not know
        while self._concurrency.call(self._output.unsent) and time.monotonic() < until:
            time.sleep(0.01)

    def _hang_up(self) -> None:
        for session in list(self.server.eio.sockets.values()):
            session.close()
        self.flush()
