"""Engine.IO packets as they come and as they leave."""

from __future__ import annotations

import base64
import binascii
import urllib.parse
from typing import Protocol

from app.transport.frames import BINARY, pack

SEPARATOR = "\x1e"  # between packets of one body (Engine.IO protocol 4, "HTTP long-polling")
PACKETS_PER_POST = 1000


class PollingError(Exception):
    """A client broke the rules of long polling."""


class Packet(Protocol):
    """A packet to be sent, as python-engineio has them."""

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


class Outgoing:
    """One Socket.IO packet for many clients, which may be several Engine.IO packets: packed for websockets once."""

    __slots__ = ("_packets", "frames")

    def __init__(self, packets: list[str | bytes]) -> None:
        self._packets = packets
        self.frames = b"".join(
            pack(each, BINARY) if isinstance(each, bytes) else pack(each.encode()) for each in packets
        )

    def packets(self) -> list[Encoded]:
        """The same for clients that poll."""
        return [Encoded(each) for each in self._packets]


class OutgoingText:
    """As Outgoing, of one text packet that is bytes already: decoded only where somebody polls."""

    __slots__ = ("_packet", "frames")

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self.frames = pack(packet)

    def packets(self) -> list[Encoded]:
        """As Outgoing."""
        return [Encoded(self._packet.decode())]


class Attachment(bytes):
    """A binary packet that came, whatever is in it."""


class End(str):
    """What comes after a client's last packet: the reason."""


class Reason:
    """Why a client's packets end, in python-engineio's words."""

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"


Incoming = bytes | End
"""A text packet (b"42[...]"), an Attachment, or the End."""


def decode_body(body: bytes) -> list[bytes]:
    """The packets of a POST; raises PollingError."""
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


def _decoded(packet: str) -> bytes:
    if not packet:
        raise PollingError("a packet is empty")
    if packet[0] != "b":
        return packet.encode()
    try:
        return Attachment(base64.b64decode(packet[1:], validate=True))
    except (binascii.Error, ValueError):
        raise PollingError("a binary packet is not base64") from None
