"""Websocket frames of RFC 6455 as a server reads and writes them: bytes in, messages out, no I/O."""

from __future__ import annotations

import codecs

from websockets.speedups import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_CODE, NOT_UTF8, POLICY, TOO_BIG = 1000, 1001, 1002, 1005, 1007, 1008, 1009
# What an endpoint may send in a Close frame (RFC 6455 section 7.4 and the registry of IANA).
CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})

MAX_CONTROL_BYTES = 125  # RFC 6455 section 5.5
FIN, MASKED, RESERVED_BITS, OPCODE_BITS = 0x80, 0x80, 0x70, 0x0F
SHORT_TEXT_HEADS = [bytes((FIN | TEXT, size)) for size in range(126)]

Message = tuple[int, bytes]
"""Opcode and payload; a payload of TEXT is valid UTF-8, one of CLOSE is the code to answer with (two bytes or none)."""


class ProtocolError(Exception):
    """The peer broke RFC 6455; the connection is to be failed with `code`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def pack(payload: bytes, opcode: int = TEXT) -> bytes:
    """One unmasked, final frame."""
    size = len(payload)
    if size < 126:
        if opcode == TEXT:
            return SHORT_TEXT_HEADS[size] + payload
        return bytes((FIN | opcode, size)) + payload
    if size < 65536:
        return bytes((FIN | opcode, 126, size >> 8, size & 255)) + payload
    return bytes((FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def pack_close(code: int) -> bytes:
    """A Close frame with this code, or with none for NO_CODE."""
    return pack(b"" if code == NO_CODE else code.to_bytes(2, "big"), CLOSE)


class Parser:
    """Turns what a client sends into messages, however the network splits it.

    Messages that came before an error are returned as ever; `failure` then says how to fail the connection (RFC 6455
    section 7.1.7 drops only what follows). After a failure or a Close frame everything is ignored.
    """

    __slots__ = ("_decoder", "_kind", "_limit", "_need", "_parts", "_rest", "_size", "failure", "finished")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()  # the beginning of a frame that is not all there
        self._need = 0  # bytes that `_rest` must reach before it is worth looking at again
        self._kind = 0  # opcode of the fragmented message under way, 0 when there is none
        self._parts: list[bytes] = []
        self._size = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self.failure: ProtocolError | None = None
        self.finished = False

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes; never raises."""
        if self.finished:
            return []
        if self._rest:
            # A bytearray grows in place: many small reads of one large frame must not cost its square.
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest = bytearray()
        messages: list[Message] = []
        try:
            end = self._frames(data, messages)
            if end < len(data) and not self.finished:
                self._rest += data[end:]
        except ProtocolError as error:
            self.failure, self.finished = error, True
        return messages

    def _frames(self, data: bytes, messages: list[Message]) -> int:
        """Append the messages of all frames that are complete; returns where the first incomplete one begins."""
        start, end = 0, len(data)
        while end - start >= 2:
            size, head = data[start + 1] - MASKED, start + 2
            is_usual = 0 <= size < 126
            if size == 126 and head + 2 <= end:  # the length is in the next two bytes
                size, head = data[head] << 8 | data[head + 1], head + 2
                is_usual = 126 <= size <= self._limit
            if is_usual and data[start] == FIN | TEXT and not self._kind:  # nearly every frame of a chat
                stop = head + 4 + size
                if stop > end:
                    self._need = stop - start
                    break
                payload = apply_mask(data[head + 4 : stop], data[head : head + 4])
                if not payload.isascii():
                    _check_utf8(payload)
                messages.append((TEXT, payload))
            else:
                stop = self._any_frame(data, start, messages)
                if not stop:
                    break
            start = stop
            if self.finished:
                break
        else:
            self._need = 2
        return start

    def _any_frame(self, data: bytes, start: int, messages: list[Message]) -> int:
        """Read the frame that begins at `start`; returns where the next one begins, 0 when it is not all there."""
        first, second = data[start], data[start + 1]
        opcode, size, head = first & OPCODE_BITS, second & 127, start + 2
        self._check(first, second)
        if size > 125:
            width = 2 if size == 126 else 8
            if len(data) < head + width:
                self._need = 2 + width
                return 0
            size = _long_size(data[head : head + width])
            head += width
        # Before the payload is there, so that nobody makes us hold more than the limit.
        if opcode < CLOSE and self._size + size > self._limit:
            raise ProtocolError(TOO_BIG, f"a message has more than {self._limit} bytes")
        stop = head + 4 + size
        if stop > len(data):
            self._need = stop - start
            return 0
        payload = apply_mask(data[head + 4 : stop], data[head : head + 4])
        if opcode < CLOSE:
            self._data(opcode, bool(first & FIN), payload, messages)
        else:
            self._control(opcode, payload, messages)
        return stop

    def _check(self, first: int, second: int) -> None:
        """What two bytes of a head already show to be wrong."""
        opcode = first & OPCODE_BITS
        if first & RESERVED_BITS:
            raise ProtocolError(PROTOCOL_ERROR, "reserved bits are set")
        if not second & MASKED:
            raise ProtocolError(PROTOCOL_ERROR, "a client's frame is not masked")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise ProtocolError(PROTOCOL_ERROR, f"there is no opcode {opcode}")
            if not first & FIN or second & 127 > MAX_CONTROL_BYTES:
                raise ProtocolError(PROTOCOL_ERROR, "a control frame is fragmented or too long")
        elif opcode > BINARY:
            raise ProtocolError(PROTOCOL_ERROR, f"there is no opcode {opcode}")
        elif (opcode == CONTINUATION) != bool(self._kind):
            raise ProtocolError(PROTOCOL_ERROR, "fragments of a message are not in sequence")

    def _data(self, opcode: int, final: bool, payload: bytes, messages: list[Message]) -> None:
        if final and opcode:
            if opcode == TEXT:
                _check_utf8(payload)
            messages.append((opcode, payload))
            return
        if opcode:
            self._kind = opcode
            self._decoder = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
        self._size += len(payload)
        if payload:  # empty fragments may be many, and must not be kept
            self._parts.append(payload)
        if self._decoder:
            _check_utf8(payload, self._decoder, final)
        if final:
            messages.append((self._kind, b"".join(self._parts)))
            self._kind, self._size, self._parts, self._decoder = 0, 0, [], None

    def _control(self, opcode: int, payload: bytes, messages: list[Message]) -> None:
        if opcode == CLOSE:
            messages.append((CLOSE, _answer_to_close(payload)))
            self.finished = True
        else:
            messages.append((opcode, payload))


def _check_utf8(payload: bytes, decoder: codecs.IncrementalDecoder | None = None, final: bool = True) -> None:
    try:
        if decoder is None:
            payload.decode()
        else:
            decoder.decode(payload, final)
    except UnicodeDecodeError:
        raise ProtocolError(NOT_UTF8, "a text message is not UTF-8") from None


def _long_size(field: bytes) -> int:
    """The length in two or eight bytes; RFC 6455 section 5.2 wants the shortest form and no highest bit."""
    size = int.from_bytes(field, "big")
    if size < (126 if len(field) == 2 else 65536) or size >> 63:
        raise ProtocolError(PROTOCOL_ERROR, "a length is not in its shortest form, or negative")
    return size


def _answer_to_close(payload: bytes) -> bytes:
    """The payload of our own Close frame: the code that came, if it may be sent (RFC 6455 sections 5.5.1 and 7.4)."""
    if not payload:
        return b""
    if len(payload) == 1 or int.from_bytes(payload[:2], "big") not in CLOSE_CODES:
        raise ProtocolError(PROTOCOL_ERROR, "a Close frame has no valid code")
    _check_utf8(payload[2:])
    return payload[:2]
