"""One Engine.IO client: its transport, its heartbeat, and its packets in order, even behind a handler that blocks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from app.concurrency import Concurrency
from app.transport.connection import Connection
from app.transport.frames import BINARY, NORMAL, POLICY, PROTOCOL_ERROR, TEXT, pack
from app.transport.polling import CLOSE, NOOP, PING, Encoded, Packet, Polling, PollingError, decode
from app.transport.websocket import WebSocket

MAX_WAITING = 256  # packets behind a handler that blocks, before nothing more is read
POLL_GRACE_SECONDS = 10.0  # a request for packets is answered by a ping at the latest
UPGRADE_SECONDS = 10.0  # for the three packets of an upgrade

SERVER_DISCONNECT, CLIENT_DISCONNECT = "server disconnect", "client disconnect"  # as python-engineio names them
PING_TIMEOUT, TRANSPORT_CLOSE, TRANSPORT_ERROR = "ping timeout", "transport close", "transport error"


class Attachment(bytes):
    """A binary message, whatever is in it."""


class End(str):
    """What comes after the last packet; the reason."""


Incoming = bytes
"""A text packet (b"42[...]") or an Attachment."""


class Outgoing:
    """One Socket.IO packet for many clients: packed for websockets once, and kept as text for those who poll."""

    def __init__(self, packets: list[str | bytes]) -> None:
        self.frames = b"".join(
            pack(each, BINARY) if isinstance(each, bytes) else pack(each.encode()) for each in packets
        )
        self.packets = [Encoded(each) for each in packets]


class Owner(Protocol):
    """What a session needs to know about its server."""

    concurrency: Concurrency
    ping_interval: float
    ping_timeout: float
    connect_seconds: float
    max_message: int
    max_unsent: int
    max_packets: int

    def take(self, session: Session, packet: Incoming | End) -> bool:
        """Handle on the loop what cannot block; False for a packet that `handle` is to have."""

    def handle(self, session: Session, packet: Incoming | End) -> None:
        """Handle a packet where it may block."""

    def ended(self, session: Session) -> None:
        """Nothing can be sent to it any more."""

    def open_websocket(self, upgrade: Any, receiver: Any, first: bytes) -> WebSocket:
        """Finish the handshake of an upgrade request."""


class Session:
    """Made on the loop; what is not said to be for threads is called there, too."""

    __slots__ = (
        "_deadline",
        "_failed",
        "_inbox",
        "_owner",
        "_polling",
        "_pong_due",
        "_probe",
        "_session",
        "_timer",
        "_websocket",
        "closed",
        "connected",
        "connection",
        "sid",
    )

    def __init__(self, owner: Owner, sid: str) -> None:
        self._owner, self.sid = owner, sid
        self._websocket: WebSocket | None = None
        self._polling: Polling | None = None
        self._probe: Probe | None = None
        self._inbox: deque[Incoming | End] | None = None  # there while a handler runs where it may block
        self._pong_due = self._failed = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._session: dict[str, Any] | None = None
        self.closed, self.connected = False, True
        self.connection: Connection | None = None

    # What python-engineio asks of its sockets

    @property
    def upgraded(self) -> bool:
        """Whether it is on a websocket."""
        return self._websocket is not None

    @property
    def session(self) -> dict[str, Any]:
        """What the application keeps here through `server.save_session`; made when first asked for."""
        if self._session is None:
            self._session = {}
        return self._session

    @session.setter
    def session(self, value: dict[str, Any]) -> None:
        self._session = value

    def send(self, packet: Packet) -> None:
        """Send an Engine.IO packet; from any thread."""
        self._owner.concurrency.post(self._send, packet)

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Hang up without waiting; from any thread."""
        self._owner.concurrency.post(self.end, reason or SERVER_DISCONNECT, not abort)

    def poll(self, sock: Any) -> list[Packet]:
        """The next packets for a client that polls; waits in the request's own thread. Raises PollingError."""
        box = self._owner.concurrency.mailbox()
        self._owner.concurrency.call(self._ask, box, sock)
        packets: list[Packet] = box.get(self._owner.ping_interval + self._owner.ping_timeout + POLL_GRACE_SECONDS)
        return packets

    def post(self, body: bytes) -> None:
        """Take the packets of a request, in the request's own thread. Raises PollingError."""
        self._owner.concurrency.call(self._take_all, decode(body))

    # Beginning

    def open_polling(self) -> None:
        """The client polls."""
        self._polling = Polling(self._owner.concurrency.loop)
        self._begin()

    def open_websocket(self, upgrade: Any, first: bytes) -> None:
        """The client came with a websocket; `first` is the packet that opens the session."""
        self._websocket = self._owner.open_websocket(upgrade, self, pack(first))
        self._begin()

    def probe(self, upgrade: Any) -> None:
        """A client that polls tries a websocket."""
        self._probe = Probe(self, self._owner.concurrency.loop)
        self._probe.websocket = self._owner.open_websocket(upgrade, self._probe, b"")

    def refuse(self, upgrade: Any) -> None:
        """A websocket that the client may not open: it has one, or tries another."""
        stray = Stray()
        self._owner.open_websocket(upgrade, stray, b"").close(POLICY)

    @property
    def probing(self) -> bool:
        """Whether a websocket is being tried."""
        return self._probe is not None

    def _begin(self) -> None:
        self._ping_later()
        self.expect_connect()

    def expect_connect(self) -> None:
        """Hang up unless the client connects to a namespace soon."""
        if not self._deadline and not self.closed:
            loop = self._owner.concurrency.loop
            self._deadline = loop.call_later(self._owner.connect_seconds, self.end, TRANSPORT_CLOSE, True)

    def is_connected(self) -> None:
        """It has connected."""
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    # Receiving

    def message(self, opcode: int, payload: bytes) -> None:
        """As Receiver."""
        if opcode == TEXT:
            self._text(payload)
        else:
            self._receive(Attachment(payload))

    def lost(self, reason: str) -> None:
        """As Receiver."""
        self.end(reason, False)

    def _text(self, packet: bytes) -> None:
        kind = packet[:1]
        if kind == b"4":
            self._receive(packet)
        elif kind == b"3":
            self._pong()  # counted on arrival: behind a handler that blocks it would come too late
        elif kind == b"1":
            if self._polling:
                self._polling.release(NOOP)
            self.end(CLIENT_DISCONNECT, False)
        elif kind != b"6":
            self.fail()

    def _receive(self, packet: Incoming | End) -> None:
        if self._inbox is not None:
            self._inbox.append(packet)
            if len(self._inbox) > MAX_WAITING and not self.closed:
                self._hold_back()
        elif not self._owner.take(self, packet):
            self._inbox = deque()
            self._owner.concurrency.start(self._work, packet)

    def _hold_back(self) -> None:
        if self._websocket:
            self._websocket.pause()
        else:
            self.fail()

    def _work(self, packet: Incoming | End | None) -> None:
        """Packets of one client, one after the other, where their handlers may block."""
        while packet is not None:
            self._owner.handle(self, packet)
            packet = self._owner.concurrency.call(self._next)

    def _next(self) -> Incoming | End | None:
        while self._inbox:
            packet = self._inbox.popleft()
            if not self._owner.take(self, packet):
                return packet
        self._inbox = None
        if self._websocket:
            self._websocket.resume()
        return None

    def _take_all(self, packets: list[str | bytes]) -> None:
        if self.upgraded:
            raise PollingError("the session is on a websocket")
        for packet in packets:
            if self.closed:
                break
            if isinstance(packet, bytes):
                self._receive(Attachment(packet))
            else:
                self._text(packet.encode())
        if self._failed:
            raise PollingError("a packet makes no sense")

    # Sending

    def send_text(self, packet: bytes) -> None:
        """Send an Engine.IO text packet."""
        if self._websocket:
            self._websocket.write(pack(packet))
        else:
            self._wait_for_poll(Encoded(packet.decode()))

    def deliver(self, outgoing: Outgoing) -> None:
        """Send what many get."""
        if self._websocket:
            self._websocket.write(outgoing.frames)
        else:
            for packet in outgoing.packets:
                self._wait_for_poll(packet)

    def _send(self, packet: Packet) -> None:
        if self._websocket:
            encoded = packet.encode()
            self._websocket.write(pack(encoded.encode()) if isinstance(encoded, str) else pack(encoded, BINARY))
        else:
            self._wait_for_poll(packet)

    def _wait_for_poll(self, packet: Packet) -> None:
        if self.closed or not self._polling:
            return
        self._polling.add(packet)
        packets, size = self._polling.waiting()
        if packets > self._owner.max_packets or size > self._owner.max_unsent:
            self._polling.rest()
            # Soon, not now: whoever sends to many must not be called back in between.
            self._owner.concurrency.loop.call_soon(self.end, TRANSPORT_ERROR, False)

    def _ask(self, box: Any, sock: Any) -> None:
        if self.closed or not self._polling:
            raise PollingError("the session is not polled")
        if self._probe and self._probe.ready:
            box.put([NOOP])
            return
        self._polling.ask(box, sock, lambda: self.end(TRANSPORT_CLOSE, False))

    # Upgrading

    def upgrade_ready(self) -> None:
        """The new websocket works: end the request that waits, so that the client can move."""
        if self._polling:
            self._polling.release(NOOP)

    def upgrade_done(self, websocket: WebSocket) -> None:
        """The client moved: what waits goes over the websocket, and so does everything from now on."""
        polling, self._polling, self._probe = self._polling, None, None
        self._websocket, websocket.receiver = websocket, self
        if polling:
            polling.release(NOOP)
            for packet in polling.rest():
                self._send(packet)

    def upgrade_lost(self) -> None:
        """It came to nothing, and the client polls on."""
        self._probe = None

    # Heartbeat

    def _ping_later(self) -> None:
        loop = self._owner.concurrency.loop
        self._timer = loop.call_later(self._owner.ping_interval, self._ping)

    def _ping(self) -> None:
        self._pong_due = True
        self._send(PING)
        self._wait_for_pong()

    def _wait_for_pong(self) -> None:
        self._timer = self._owner.concurrency.loop.call_later(self._owner.ping_timeout, self._no_pong)

    def _no_pong(self) -> None:
        if self._websocket and self._websocket.paused:  # it may have come, and it is we who do not read
            self._wait_for_pong()
        else:
            self.end(PING_TIMEOUT, True)

    def _pong(self) -> None:
        if self._pong_due and self._timer:
            self._pong_due = False
            self._timer.cancel()
            self._ping_later()

    # Ending

    def fail(self) -> None:
        """The client sent what makes no sense."""
        self._failed = True
        self.end(TRANSPORT_ERROR, False, PROTOCOL_ERROR)

    def end(self, reason: str, tell: bool, code: int = NORMAL) -> None:
        """Hang up; `tell` the client with an Engine.IO packet. What it sent before is still handled."""
        if self.closed:
            return
        if tell and self._websocket:
            self._websocket.write(pack(b"1"))
        self.closed = True
        self.is_connected()
        if self._timer:
            self._timer.cancel()
        if self._websocket:
            self._websocket.close(code)
        if self._probe:
            self._probe.end()
        if self._polling:
            self._polling.end(*([CLOSE] if tell else []))
        self._owner.ended(self)
        self._receive(End(reason))


class Probe:
    """A websocket that a polling client tries: `2probe`, `3probe`, `5`. When it is lost, the client polls on."""

    def __init__(self, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self.websocket: WebSocket | None = None
        self.ready = False
        self._timer = loop.call_later(UPGRADE_SECONDS, self._give_up)

    def message(self, opcode: int, payload: bytes) -> None:
        """As Receiver."""
        if self.websocket is None:
            return
        if opcode == TEXT and payload == b"2probe" and not self.ready:
            self.ready = True
            self.websocket.write(pack(b"3probe"))
            self._session.upgrade_ready()
        elif opcode == TEXT and payload[:1] == b"5" and self.ready:
            self._timer.cancel()
            self._session.upgrade_done(self.websocket)
        else:
            self._give_up()

    def lost(self, reason: str) -> None:
        """As Receiver."""
        self._timer.cancel()
        self._session.upgrade_lost()

    def end(self) -> None:
        """The session is over."""
        self._timer.cancel()
        if self.websocket:
            self.websocket.close()

    def _give_up(self) -> None:
        self.end()
        self._session.upgrade_lost()


class Stray:
    """Nobody: for a websocket that is closed at once."""

    def message(self, opcode: int, payload: bytes) -> None:
        """As Receiver."""

    def lost(self, reason: str) -> None:
        """As Receiver."""
