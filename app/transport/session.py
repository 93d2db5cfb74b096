"""One Engine.IO client: its transport, its heartbeat, and its packets in order."""

from __future__ import annotations

import asyncio
import queue
from dataclasses import dataclass
from typing import Any, Protocol

from app.concurrency import Concurrency
from app.transport.connection import Connection
from app.transport.frames import BINARY, NORMAL, PROTOCOL_ERROR, TEXT, pack
from app.transport.heartbeat import Heartbeat
from app.transport.inbox import Inbox
from app.transport.packets import (
    CLOSE,
    NOOP,
    PING,
    Attachment,
    Encoded,
    End,
    Incoming,
    Outgoing,
    OutgoingText,
    Packet,
    PollingError,
    Reason,
    decode_body,
)
from app.transport.pending import Pending
from app.transport.polling import Polling
from app.transport.probe import Probe
from app.transport.websocket import Receiver, WebSocket

POLL_GRACE_SECONDS = 10.0  # a request for packets is answered by a ping at the latest


@dataclass(frozen=True)
class Limits:
    """Bounds, as Transport has them."""

    connect_seconds: float
    max_unsent: int
    max_packets: int
    max_sessions: int
    pending: Pending


class Owner(Protocol):
    """What a session needs to know of its server."""

    concurrency: Concurrency
    ping_interval: float
    ping_timeout: float
    max_message: int
    limits: Limits

    def take(self, session: Session, packet: Incoming) -> bool:
        """As `inbox.Reader`."""

    def handle(self, session: Session, packet: Incoming) -> None:
        """As `inbox.Reader`."""

    def ended(self, session: Session) -> None:
        """Nothing can be sent to it any more."""

    def open_websocket(self, upgrade: Any, receiver: Receiver, first: bytes) -> WebSocket:
        """Finish the handshake of an upgrade request."""


class Session:
    """Made on the loop; what is not said to be for threads is called there, too."""

    __slots__ = (
        "_deadline",
        "_failed",
        "_heartbeat",
        "_inbox",
        "_owner",
        "_polling",
        "_unfinished",
        "closed",
        "connected",
        "connection",
        "probe",
        "session",
        "sid",
        "websocket",
    )

    def __init__(self, owner: Owner, sid: str, address: str) -> None:
        self._owner, self.sid = owner, sid
        self.websocket: WebSocket | None = None
        self._polling: Polling | None = None
        self.probe: Probe | None = None  # a websocket that a polling client tries
        self._inbox = Inbox(owner.concurrency, self)
        self._heartbeat = Heartbeat(owner.concurrency.loop, self, owner.ping_interval, owner.ping_timeout)
        self._deadline: asyncio.TimerHandle | None = None
        self.session: dict[str, Any] = {}  # what the application keeps here through `server.save_session`
        self.closed, self.connected, self._failed = False, True, False
        self.connection: Connection | None = None
        self._unfinished = owner.limits.pending.of(address, self.close)
        self.expect_connect()

    # What python-engineio asks of its sockets, from any thread
    @property
    def upgraded(self) -> bool:
        """Whether it is on a websocket."""
        return self.websocket is not None

    @property
    def is_behind(self) -> bool:
        """Whether what was sent before still waits for the client to read."""
        if self.websocket:
            return self.websocket.blocked
        return self._polling is not None and self._polling.is_behind

    def send(self, packet: Packet) -> None:
        """Send an Engine.IO packet."""
        self._owner.concurrency.post(self._send, packet)

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Hang up; never waits."""
        self._owner.concurrency.post(self.end, reason or Reason.SERVER_DISCONNECT, not abort)

    def poll(self, sock: Any) -> list[Packet]:
        """The next packets for a client that polls; waits. Raises PollingError."""
        box = self._owner.concurrency.mailbox()
        self._owner.concurrency.call(self._ask, box, sock)
        try:
            packets: list[Packet] = box.get(self._owner.ping_interval + self._owner.ping_timeout + POLL_GRACE_SECONDS)
        except queue.Empty:
            self._owner.concurrency.call(self.end, Reason.TRANSPORT_ERROR, False)
            raise PollingError("no packet came, not even a ping") from None
        return packets

    def post(self, body: bytes) -> None:
        """Take the packets of a request. Raises PollingError."""
        self._owner.concurrency.call(self._take_all, decode_body(body))

    # Transports

    def open_polling(self) -> None:
        """The client polls."""
        self._polling = Polling(self._owner.concurrency.loop)

    def open_websocket(self, upgrade: Any, first: bytes) -> None:
        """The client came with a websocket; `first` is the packet that opens the session."""
        self.websocket = self._owner.open_websocket(upgrade, self, pack(first))

    def try_websocket(self, upgrade: Any) -> None:
        """A client that polls tries a websocket."""
        self.probe = Probe(self, self._owner.concurrency.loop)
        self.probe.websocket = self._owner.open_websocket(upgrade, self.probe, b"")

    def upgrade_ready(self) -> None:
        """The new websocket works: end the request that waits, so that the client can move."""
        if self._polling:
            self._polling.release(NOOP)

    def upgrade_done(self, websocket: WebSocket) -> None:
        """The client moved: what waits goes over the websocket, and so does everything from now on."""
        polling, self._polling, self.probe = self._polling, None, None
        self.websocket, websocket.receiver = websocket, self
        if polling:
            polling.release(NOOP)
            for packet in polling.rest():
                self._send(packet)

    def upgrade_lost(self) -> None:
        """It came to nothing, and the client polls on."""
        self.probe = None

    def expect_connect(self) -> None:
        """Hang up unless the client connects to a namespace soon."""
        if not self._deadline and not self.closed:
            loop = self._owner.concurrency.loop
            self._deadline = loop.call_later(self._owner.limits.connect_seconds, self.end, Reason.TRANSPORT_CLOSE, True)

    def has_connected(self) -> None:
        """It did."""
        self._unfinished.done()
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    # Receiving

    def message(self, opcode: int, payload: bytes) -> None:
        """As Receiver."""
        if opcode == TEXT:
            self._text(payload)
        else:
            self._inbox.receive(Attachment(payload))

    def lost(self, reason: str) -> None:
        """As Receiver."""
        self.end(reason, False)

    def take(self, packet: Incoming) -> bool:
        """As `inbox.Reader`."""
        return self._owner.take(self, packet)

    def handle(self, packet: Incoming) -> None:
        """As `inbox.Reader`."""
        self._owner.handle(self, packet)

    def hold(self, full: bool) -> None:
        """As `inbox.Reader`: read nothing more, or read on. Nobody can be kept from sending requests: end it."""
        if self.websocket and full:
            self.websocket.pause()
        elif self.websocket:
            self.websocket.resume()
        elif full:
            self.fail()

    def _text(self, packet: bytes) -> None:
        kind = packet[:1]
        if kind == b"4":
            self._inbox.receive(packet)
        elif kind == b"3":
            self._heartbeat.pong()  # counted on arrival: behind a handler that blocks it would come too late
        elif kind == b"1":
            if self._polling:
                self._polling.release(NOOP)
            self.end(Reason.CLIENT_DISCONNECT, False)
        elif kind != b"6":
            self.fail()

    def _take_all(self, packets: list[bytes]) -> None:
        if self.upgraded:
            raise PollingError("the session is on a websocket")
        for packet in packets:
            if self.closed:
                break
            if isinstance(packet, Attachment):
                self._inbox.receive(packet)
            else:
                self._text(packet)
        if self._failed:
            raise PollingError("a packet makes no sense")

    # Sending

    def send_text(self, packet: bytes) -> None:
        """Send an Engine.IO text packet."""
        if self.websocket:
            self.websocket.write(pack(packet))
        else:
            self._wait_for_poll(Encoded(packet.decode()))

    def deliver(self, outgoing: Outgoing | OutgoingText) -> None:
        """Send what many get."""
        if self.websocket:
            self.websocket.write(outgoing.frames)
        else:
            for packet in outgoing.packets():
                self._wait_for_poll(packet)

    def ping(self) -> None:
        """As `heartbeat.Patient`."""
        self._send(PING)

    def no_pong(self) -> None:
        """As `heartbeat.Patient`."""
        if self.websocket and self.websocket.paused:  # it may have come, and it is we who do not read
            self._heartbeat.wait_longer()
        else:
            self.end(Reason.PING_TIMEOUT, True)

    def _send(self, packet: Packet) -> None:
        encoded = packet.encode()
        if not self.websocket:
            # Not their packet itself: it remembers one encoding and returns it as the other.
            self._wait_for_poll(Encoded(encoded))
        elif isinstance(encoded, str):
            self.websocket.write(pack(encoded.encode()))
        else:
            self.websocket.write(pack(encoded, BINARY))

    def _wait_for_poll(self, packet: Encoded) -> None:
        if self.closed or not self._polling:
            return
        self._polling.add(packet)
        if self._polling.exceeds(self._owner.limits.max_packets, self._owner.limits.max_unsent):
            self._polling.rest()
            # Soon, not now: whoever sends to many must not be called back in between.
            self._owner.concurrency.loop.call_soon(self.end, Reason.TRANSPORT_ERROR, False)

    def _ask(self, box: Any, sock: Any) -> None:
        if self.closed or not self._polling:
            raise PollingError("the session is not polled")
        if self.probe and self.probe.ready:
            box.put([NOOP])
        else:
            self._polling.ask(box, sock, lambda: self.end(Reason.TRANSPORT_CLOSE, False))

    # Ending

    def fail(self) -> None:
        """The client sent what makes no sense."""
        self._failed = True
        self.end(Reason.TRANSPORT_ERROR, False, PROTOCOL_ERROR)

    def end(self, reason: str, tell: bool, code: int = NORMAL) -> None:
        """Hang up; `tell` the client with an Engine.IO packet. What it sent before is still handled."""
        if self.closed:
            return
        self.closed = True
        self.has_connected()
        self._heartbeat.stop()
        if self.websocket:
            if tell:
                self.websocket.write(pack(b"1"))
            self.websocket.close(code)
        if self.probe:
            self.probe.end()
        if self._polling:
            self._polling.end(*([CLOSE] if tell else []))
        self._owner.ended(self)
        self._inbox.receive(End(reason))
