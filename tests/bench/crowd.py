"""Clients on raw non-blocking sockets in one thread, and the loop that moves them."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tests.bench.dialects import Dialect
from tests.bench.frames import Closed, Unreadable, frame, split

RECEIVE_BYTES = 1 << 18
SEND_STALLED_SECONDS = 5.0
CONNECTING_AT_ONCE = 16
CONNECTED_SECONDS = 90.0
SELECT_LIMIT = 1024  # select() takes no higher file descriptor
UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3BpbGx3YXktYmVuY2gtMQ==\r\n\r\n"
)
PING, PONG = b"2", frame(b"3")  # Engine.IO's


class LoadFailed(Exception):
    """A measurement is void; the message says what the server did that it should not have done."""


class Listener(Protocol):
    """What a client hands its packets to."""

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        """Take the packets that arrived together."""


class Client:
    """One connection. `listener` gets what arrives once the client has joined its room."""

    __slots__ = ("_buffer", "_upgraded", "fd", "listener", "name", "room", "socket")

    def __init__(self, port: int, name: str, room: str) -> None:
        self.name, self.room = name, room
        self.listener: Listener | None = None
        self._buffer, self._upgraded = b"", False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))  # to the kernel's queue: answers at once whatever the server does
        self.socket.setblocking(False)
        self.fd = self.socket.fileno()
        self.send(UPGRADE.format(port=port).encode())

    def send(self, data: bytes) -> None:
        """Send all of it; waits while the server does not read, and raises LoadFailed after some seconds of that."""
        while data:
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                poller = select.poll()
                poller.register(self.fd, select.POLLOUT)
                if not poller.poll(SEND_STALLED_SECONDS * 1000):
                    raise LoadFailed(f"{self.name}: the server stopped reading") from None
            except OSError as error:
                raise LoadFailed(f"{self.name}: {error}") from None

    def receive(self) -> list[bytes]:
        """The packets that have arrived; raises LoadFailed when the connection ended."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            raise LoadFailed(f"{self.name}: {error}") from None
        if not data:
            raise LoadFailed(f"{self.name}: the server closed the connection")
        if self._buffer:
            data = self._buffer + data
        if not self._upgraded:
            head, mark, rest = data.partition(b"\r\n\r\n")
            if not mark:
                self._buffer = data
                return []
            self._check_upgrade(head)
            data = rest
        try:
            payloads, self._buffer = split(data)
        except (Closed, Unreadable) as error:
            raise LoadFailed(f"{self.name}: {error}") from None
        return payloads

    def _check_upgrade(self, head: bytes) -> None:
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise LoadFailed(f"{self.name}: no websocket: {head[:80].decode(errors='replace')}")
        self._upgraded = True


class Crowd:
    """Clients of one server, and one epoll for all of them."""

    def __init__(self, port: int, dialect: Dialect, ports: list[int] | None = None) -> None:
        """With `ports` clients connect to one after the other."""
        self.port, self.dialect, self._ports = port, dialect, ports or [port]
        self.clients: list[Client] = []
        self._by_fd: dict[int, Client] = {}
        self._poll = select.epoll()

    @contextmanager
    def open(self) -> Iterator[Crowd]:
        """Close all connections at the end."""
        try:
            yield self
        finally:
            for client in self.clients:
                client.socket.close()
            self._poll.close()

    def connect(self, rooms: list[str], seconds: float = CONNECTED_SECONDS) -> list[Client]:
        """Connect one client to each of the rooms, a few at once; raises LoadFailed when that takes too long."""
        first = len(self.clients)
        steps = _Joining(self.dialect)
        until = time.monotonic() + seconds
        waiting = iter(enumerate(rooms, first))
        begun = 0
        while steps.joined < len(rooms):
            while begun < len(rooms) and begun - steps.joined < CONNECTING_AT_ONCE:
                number, room = next(waiting)
                self._add(Client(self._ports[number % len(self._ports)], f"u{number}", room), steps)
                begun += 1
            self.pump(0.1)
            if time.monotonic() > until:
                raise LoadFailed(f"{steps.joined} of {len(rooms)} clients had joined after {seconds:.0f} s")
        return self.clients[first:]

    def pump(self, seconds: float) -> None:
        """Handle what has arrived; wait for it no longer than this."""
        events = self._poll.poll(0)
        if not events and seconds > 0:
            if self._poll.fileno() < SELECT_LIMIT:  # epoll's own wait is rounded up to whole milliseconds
                select.select([self._poll], [], [], seconds)
                seconds = 0
            events = self._poll.poll(seconds)
        for fd, _ in events:
            client = self._by_fd[fd]
            payloads = client.receive()
            if PING in payloads:
                client.send(PONG)
                payloads = [each for each in payloads if each != PING]
            if payloads and client.listener is not None:
                client.listener.hear(client, payloads)

    def _add(self, client: Client, steps: _Joining) -> None:
        self.clients.append(client)
        self._by_fd[client.fd] = client
        client.listener = steps
        self._poll.register(client.fd, select.EPOLLIN)


class _Joining:
    """Takes clients from Engine.IO's first packet to the ack of their join."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.joined = 0

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        for payload in payloads:
            if payload.startswith(b"0{"):
                client.send(frame(self._dialect.connecting(client.name).encode()))
            elif payload.startswith(b"40"):
                client.send(frame(self._dialect.joining(client.room).encode()))
            elif payload.startswith(b"430["):
                _check_ok(client, payload)
                client.listener = None
                self.joined += 1
            elif payload.startswith(b"44"):
                raise LoadFailed(f"{client.name} was refused: {payload[:200].decode(errors='replace')}")


def _check_ok(client: Client, payload: bytes) -> None:
    if b'"ok":true' not in payload:
        raise LoadFailed(f"{client.name} could not join: {payload[:200].decode(errors='replace')}")
