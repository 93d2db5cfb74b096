"""Long polling: packets wait here until the client asks for them, at most once at a time."""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import urllib.parse
from typing import Any, Protocol

from app.concurrency import Mailbox

SEPARATOR = "\x1e"  # between packets of one body (Engine.IO protocol 4, "HTTP long-polling")
PACKETS_PER_ANSWER = 16  # python-engineio's client refuses more at once
PACKETS_PER_POST = 1000


class PollingError(Exception):
    """The client broke the rules of long polling."""


class Packet(Protocol):
    """An Engine.IO packet as python-engineio has them."""

    def encode(self, b64: bool = False) -> str | bytes:
        """As it is sent; with `b64` always as text."""


class Encoded:
    """A packet that is encoded already."""

    __slots__ = ("_data",)

    def __init__(self, data: str | bytes) -> None:
        self._data = data

    def encode(self, b64: bool = False) -> str | bytes:
        """As `Packet`."""
        if b64 and isinstance(self._data, bytes):
            return "b" + base64.b64encode(self._data).decode()
        return self._data


NOOP, CLOSE, PING = Encoded("6"), Encoded("1"), Encoded("2")


class Polling:
    """What waits for one polling client; every method is called on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._packets: list[Packet] = []
        self._bytes = 0
        self._asking: tuple[Mailbox, socket.socket | None] | None = None

    def add(self, packet: Packet) -> None:
        """Have it sent, with whatever else comes in this loop round."""
        if not self._packets and self._asking:
            self._loop.call_soon(self._answer)
        self._packets.append(packet)
        self._bytes += len(packet.encode())

    def waiting(self) -> tuple[int, int]:
        """How many packets and bytes wait."""
        return len(self._packets), self._bytes

    def ask(self, box: Mailbox, sock: socket.socket | None, on_hung_up: Any) -> None:
        """Put packets into `box` as soon as there are some; raises PollingError when somebody asks already."""
        if self._asking:
            raise PollingError("two requests ask for packets at once")
        if self._packets:
            box.put(self._take())
            return
        self._asking = box, sock
        if sock is not None:
            self._loop.add_reader(sock, self._look, sock, on_hung_up)

    def release(self, *packets: Packet) -> None:
        """Answer the request that waits with these packets and nothing else."""
        if self._asking:
            (box, sock), self._asking = self._asking, None
            self._watch_no_more(sock)
            box.put(list(packets))

    def end(self, *packets: Packet) -> None:
        """Answer the request that waits for the last time."""
        self.release(*self._take(), *packets)
        self._packets.clear()

    def rest(self) -> list[Packet]:
        """Everything that still waits, for another transport to send."""
        packets, self._packets, self._bytes = self._packets, [], 0
        return packets

    def _answer(self) -> None:
        if self._asking and self._packets:
            self.release(*self._take())

    def _take(self) -> list[Packet]:
        packets = self._packets[:PACKETS_PER_ANSWER]
        del self._packets[:PACKETS_PER_ANSWER]
        self._bytes -= sum(len(packet.encode()) for packet in packets)
        return packets

    def _look(self, sock: socket.socket, on_hung_up: Any) -> None:
        """Something came while the client waits for our answer: the end of its connection, or its next request."""
        self._watch_no_more(sock)
        try:
            gone = not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            on_hung_up()

    def _watch_no_more(self, sock: socket.socket | None) -> None:
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock)


def decode(body: bytes) -> list[str | bytes]:
    """The packets of a POST, text or binary; raises PollingError."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise PollingError("a body is not UTF-8") from None
    if text.startswith("d="):  # JSONP
        text = urllib.parse.parse_qs(text).get("d", [""])[0]
    packets = text.split(SEPARATOR)
    if len(packets) > PACKETS_PER_POST:
        raise PollingError(f"a body has more than {PACKETS_PER_POST} packets")
    return [_decoded(packet) for packet in packets]


def _decoded(packet: str) -> str | bytes:
    if not packet:
        raise PollingError("a packet is empty")
    if packet[0] != "b":
        return packet
    try:
        return base64.b64decode(packet[1:], validate=True)
    except (binascii.Error, ValueError):
        raise PollingError("a binary packet is not base64") from None
