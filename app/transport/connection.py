"""One Socket.IO client on the namespace "/", as the application knows it."""

from __future__ import annotations

from typing import Any, Protocol


class Sender(Protocol):
    """What carries a connection."""

    closed: bool
    connection: Connection | None
    websocket: Any  # what `Output.gather` writes to; None while it polls

    @property
    def is_behind(self) -> bool:
        """Whether what was sent before still waits for it to read."""

    def send_text(self, packet: bytes) -> None:
        """Send an Engine.IO text packet."""

    def deliver(self, outgoing: Any) -> None:
        """Send what many get."""

    def close(self) -> None:
        """Hang up, without waiting."""


class Connection:
    """Whatever its transport, a websocket or long polling. Its methods are called on the loop, and none blocks."""

    __slots__ = ("address", "rooms", "sender", "sid", "who")

    def __init__(self, sid: str, address: str, sender: Sender) -> None:
        self.sid = sid
        """Its Socket.IO sid."""
        self.address = address
        """Its peer's address (REMOTE_ADDR)."""
        self.sender = sender
        self.who: Any = None
        """Free for the application, as is `rooms`."""
        self.rooms: Any = None

    @property
    def closed(self) -> bool:
        """Whether it is over: nothing that is sent arrives."""
        return self.sender.closed or self.sender.connection is not self

    @property
    def is_behind(self) -> bool:
        """Whether it has not taken what was sent before: more would only wait behind that."""
        return self.sender.is_behind

    def ack(self, id: bytes, body: bytes) -> None:
        """Answer the event with this id; `body` is one JSON value."""
        self.sender.send_text(b"43%b[%b]" % (id, body))

    def emit(self, body: bytes) -> None:
        """Send an event; `body` is a JSON array of its name and its arguments."""
        self.sender.send_text(b"42" + body)

    def close(self) -> None:
        """Hang up as a lost connection would: the client comes back by itself."""
        self.sender.close()
