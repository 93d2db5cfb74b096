"""One websocket on the loop: read as it comes, written once a loop round, bounded when its peer does not read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Any, Protocol

import structlog

from app.transport.frames import (
    BINARY,
    CLOSE,
    NO_CODE,
    NORMAL,
    PING,
    PONG,
    Parser,
    pack,
    pack_close,
)

log = structlog.get_logger()

READ_BYTES = 65536
FLUSH_AT_ONCE = 4  # sockets; what more than so many have to send waits for the other reads of this loop round
LINGER_SECONDS = 2.0  # for what is unsent and for the peer's own Close, before the connection is cut


class Receiver(Protocol):
    """What is told what a websocket receives."""

    def message(self, opcode: int, payload: bytes) -> None:
        """A whole message, TEXT or BINARY."""

    def lost(self, reason: str) -> None:
        """The connection is over; told once, and not when we closed it ourselves."""


class Packed(Protocol):
    """What many get, packed for websockets once."""

    @property
    def frames(self) -> bytes: ...


class Sender(Protocol):
    """What carries a connection: a websocket, where it has one by now."""

    websocket: WebSocket | None

    def deliver(self, outgoing: Any) -> None: ...


class Output:
    """What all sockets have to send: gathered during one loop round and sent at its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_unsent: int) -> None:
        self.loop, self.max_unsent = loop, max_unsent
        self._waiting: list[WebSocket] = []
        self._reading = self._scheduled = False
        self._behind: set[WebSocket] = set()

    def unsent(self) -> bool:
        """Whether anything waits to be sent."""
        return bool(self._waiting or self._behind)

    def behind(self, websocket: WebSocket, is_behind: bool) -> None:
        """Whether this one has more to send than the kernel takes."""
        (self._behind.add if is_behind else self._behind.discard)(websocket)

    def add(self, websocket: WebSocket) -> None:
        """This one has something to send."""
        self._waiting.append(websocket)
        if not (self._reading or self._scheduled):
            self._scheduled = True
            self.loop.call_soon(self.flush)

    def gather(self, senders: Iterable[Sender], outgoing: Packed) -> None:
        """Have all of them send the same. A member costs two appends here: a call for each would cost as much again."""
        frames, waiting = outgoing.frames, self._waiting
        for sender in senders:
            websocket = sender.websocket
            if websocket is None or websocket.blocked or websocket.state is not OPEN:
                sender.deliver(outgoing)
                continue
            out = websocket.out
            out.append(frames)
            if len(out) == 1:
                waiting.append(websocket)
        if waiting and not (self._reading or self._scheduled):
            self._scheduled = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send everything gathered, now."""
        self._scheduled = False
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            for websocket in waiting:
                websocket.flush()

    def while_reading(self, take: Callable[[bytes], None], data: bytes) -> None:
        """Take what was read; answers to one or a few leave at once, what many get is gathered further."""
        self._reading = True
        try:
            take(data)
        finally:
            self._reading = False
            if 0 < len(self._waiting) <= FLUSH_AT_ONCE:
                self.flush()
            elif self._waiting and not self._scheduled:
                self._scheduled = True
                self.loop.call_soon(self.flush)


class State(Enum):
    """How far a websocket's life has come."""

    OPEN = auto()
    CLOSING = auto()  # a Close frame is the last thing that waits to be sent
    LINGERING = auto()  # all is sent, and the peer's end of the stream is waited for
    CUT = auto()


OPEN, CLOSING, LINGERING, CUT = State.OPEN, State.CLOSING, State.LINGERING, State.CUT


class WebSocket:
    """An accepted connection after its handshake; every method is called on the loop, and none blocks."""

    __slots__ = (
        "_fd",
        "_linger",
        "_output",
        "_parser",
        "_send",
        "_sock",
        "_unsent",
        "blocked",
        "out",
        "paused",
        "receiver",
        "state",
    )

    def __init__(self, sock: socket.socket, output: Output, max_message: int, receiver: Receiver) -> None:
        self._sock, self._output, self.receiver = sock, output, receiver
        self._send = sock.send
        self._fd = sock.fileno()  # what the loop is asked by: it looks a socket up far more slowly
        self._parser = Parser(max_message)
        self.state, self.blocked, self.paused = OPEN, False, False
        self.out: list[bytes] = []
        self._unsent = 0  # bytes; counted only while the kernel takes no more
        self._linger: asyncio.TimerHandle | None = None

    def begin(self, head: bytes, early: bytes) -> None:
        """Send the end of the handshake, and read from now on; `early` are bytes that came right behind it."""
        self.out.insert(0, head)
        self._output.add(self)
        self._output.loop.add_reader(self._fd, self._readable)
        if early:
            self._output.loop.call_soon(self._come, early)

    def write(self, frame: bytes) -> None:
        """Send a frame at the end of this loop round."""
        if self.state is not OPEN:
            return
        self.out.append(frame)
        if self.blocked:
            self._unsent += len(frame)
            if self._unsent > self._output.max_unsent:
                self._overflow()
        elif len(self.out) == 1:
            self._output.add(self)

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it."""
        out = self.out
        if not out or self.state is CUT:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        try:
            sent = self._send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._break("transport error")
            return
        if sent < len(data):
            self._wait_for_reader(data[sent:])
        elif self.blocked or self.state is CLOSING:
            self._all_sent()

    def close(self, code: int = NORMAL) -> None:
        """Send what waits and a Close frame, let the peer close, and cut the connection if that takes too long."""
        if self.state is not OPEN:
            return
        self.resume()
        self.write(pack_close(code))
        if self.state is OPEN:
            self.state = CLOSING
            self._linger = self._output.loop.call_later(LINGER_SECONDS, self.cut)

    def cut(self) -> None:
        """Close the socket at once, whatever waits."""
        if self._fd < 0:
            return
        self.state = CUT
        self.out.clear()
        self._output.loop.remove_reader(self._fd)
        if self.blocked:
            self._output.behind(self, False)
            self._output.loop.remove_writer(self._fd)
        self._fd = -1
        self._sock.close()
        if self._linger:
            self._linger.cancel()

    def pause(self) -> None:
        """Read nothing more for now: the kernel makes the peer wait."""
        if not self.paused and self.state is OPEN:
            self.paused = True
            self._output.loop.remove_reader(self._fd)

    def resume(self) -> None:
        """Read on."""
        if self.paused and self.state is OPEN:
            self.paused = False
            self._output.loop.add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._come(data)
        else:
            self._gone("transport close")

    def _come(self, data: bytes) -> None:
        if self.state is OPEN:  # else it is read to be thrown away
            self._output.while_reading(self._take, data)

    def _take(self, data: bytes) -> None:
        for opcode, payload in self._parser.feed(data):
            if opcode <= BINARY:
                self.receiver.message(opcode, payload)
            elif opcode == PING:
                self.write(pack(payload, PONG))
            elif opcode == CLOSE:
                self._finish(int.from_bytes(payload, "big") if payload else NO_CODE, "transport close")
            if self.state is not OPEN:
                return
        failure = self._parser.failure
        if failure:
            self._finish(failure.code, "transport error")

    def _finish(self, code: int, reason: str) -> None:
        self.close(code)
        self.receiver.lost(reason)

    def _wait_for_reader(self, rest: bytes) -> None:
        self.out.insert(0, rest)
        self._unsent = len(rest)
        if not self.blocked:
            self.blocked = True
            self._output.behind(self, True)
            self._output.loop.add_writer(self._fd, self.flush)
        if self._unsent > self._output.max_unsent and self.state is OPEN:
            self._overflow()

    def _all_sent(self) -> None:
        if self.blocked:
            self.blocked, self._unsent = False, 0
            self._output.behind(self, False)
            self._output.loop.remove_writer(self._fd)
        if self.state is CLOSING:
            # Closing a socket with unread bytes resets it, and the Close frame could be lost (RFC 6455 section 7.1.1).
            self.state = LINGERING
            try:
                self._sock.shutdown(socket.SHUT_WR)
            except OSError:  # the peer was faster
                self.cut()

    def _overflow(self) -> None:
        log.info("a client does not read and is cut off", unsent=self._unsent)
        self._break("transport error")

    def _break(self, reason: str) -> None:
        """Send nothing more, and end soon: whoever writes to many sockets must not be called back in between."""
        waited_for = self.state is OPEN
        self.state = CUT
        self.out.clear()
        self._output.loop.call_soon(self._gone if waited_for else self._drop, reason)

    def _drop(self, _reason: str) -> None:
        self.cut()

    def _gone(self, reason: str) -> None:
        told = self.state in (CLOSING, LINGERING)
        self.cut()
        if not told:
            self.receiver.lost(reason)
