"""Websocket frames as the load generator writes and reads them: built once and filled in, taken apart without copies.

Client frames carry the mask key 0 (RFC 6455, section 5.3, allows any key), so that a payload goes out as it is.
"""

from __future__ import annotations

TEXT, CLOSE, PING = 0x81, 0x88, 0x89
FIRST_NUMBER = 1_000_000  # numbers keep seven digits, so a template's length never changes
NO_MASK = b"\0\0\0\0"


class Closed(Exception):
    """The server closed the connection."""


class Unreadable(Exception):
    """The server sent a frame that the generator does not expect: binary, fragmented or compressed."""


def frame(payload: bytes) -> bytes:
    """One masked text frame that holds the payload."""
    length = len(payload)
    if length < 126:
        return bytes((TEXT, 0x80 | length)) + NO_MASK + payload
    if length < 1 << 16:
        return bytes((TEXT, 0xFE)) + length.to_bytes(2, "big") + NO_MASK + payload
    return bytes((TEXT, 0xFF)) + length.to_bytes(8, "big") + NO_MASK + payload


class Template:
    """A frame in which a number is filled in at each `#`: one bytes formatting a message."""

    def __init__(self, payload: str) -> None:
        marks = payload.count("#")
        whole = frame(payload.replace("#", str(FIRST_NUMBER)).encode())
        filled = str(FIRST_NUMBER).encode()
        self._pattern = whole.replace(b"%", b"%%").replace(filled, b"%d")
        self._marks = marks

    def fill(self, number: int) -> bytes:
        """The frame with this number of seven digits in every place."""
        return self._pattern % ((number,) * self._marks)


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of all whole text frames, and the bytes of the frame that is not whole yet.

    Raises Closed on a close frame and Unreadable on anything else; pings of the websocket are left out.
    """
    payloads, at, end = [], 0, len(data)
    while at + 2 <= end:
        length, start = data[at + 1], at + 2
        if length == 126:
            start = at + 4
            length = int.from_bytes(data[at + 2 : start], "big")
        elif length == 127:
            start = at + 10
            length = int.from_bytes(data[at + 2 : start], "big")
        after = start + length
        if start > end or after > end:
            break
        if data[at] == TEXT:
            payloads.append(data[start:after])
        else:
            _check(data[at], data[start:after])
        at = after
    return payloads, data[at:]


def _check(first: int, payload: bytes) -> None:
    if first == CLOSE:
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        raise Closed(f"the server closed the connection with code {code} {payload[2:].decode(errors='replace')}")
    if first != PING:
        raise Unreadable(f"the server sent a frame that begins with {first:#x}")
