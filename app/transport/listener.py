"""Accepts connections on the loop, reads each one's first request head, and keeps the websockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from app.concurrency import PassOn
from app.concurrency.paced import MAX_HEAD_BYTES, MAX_HEAD_FIELDS, TOO_LARGE, Pace
from app.transport.handshake import UPGRADE, BadRequest, Upgrade, check_handshake, parse
from app.transport.pending import SENDING_SECONDS, Pending, Unfinished

log = structlog.get_logger()

ACCEPTS_PER_ROUND = 32
PAUSE_SECONDS = 0.5  # without a file to spare, before accepting is tried again


class Listener:
    """As app.concurrency has it. Whatever it calls is called on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: str, head_seconds: float, pending: Pending) -> None:
        self._loop, self._begin, self._head_seconds = loop, b"GET " + path.encode(), head_seconds
        self._pending = pending
        self._listening: socket.socket | None = None
        self._wsgi: Any = None
        self._pass_on: PassOn = lambda sock, address, pace: sock.close()

    def open(self, listening: socket.socket, wsgi: Any, pass_on: PassOn) -> None:
        """Begin to accept."""
        self._listening, self._wsgi, self._pass_on = listening, wsgi, pass_on
        self._family, self._name = listening.family, listening.getsockname()
        self._loop.add_reader(listening, self._accept)

    def adopt(self, sock: socket.socket, environ: dict[str, Any]) -> None:
        """Take over a connection whose later request is a websocket upgrade."""
        sock.setblocking(False)
        try:
            self._upgrade(sock, dict(environ), b"")
        except BadRequest as refused:
            answer(self._loop, sock, refused.status, refused.headers)

    def close(self) -> None:
        """Accept nothing more."""
        if self._listening:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_ROUND):
            if self._listening is None:
                return
            try:
                fd, address = self._listening._accept()  # type: ignore[attr-defined]  # noqa: SLF001 # of _socket.socket
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(self._listening, error)
                return
            # As accept() does, which looks up names for three numbers we know.
            sock = type(self._listening)(self._family, socket.SOCK_STREAM, 0, fd)
            sock.setblocking(False)
            head = Head(self._loop, sock, address, self._head_seconds, self._head_read)
            head.begin(self._pending.of(address[0], partial(self._loop.call_soon_threadsafe, head.hang_up)))

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Not a try each round: a listening socket stays readable as long as somebody waits."""
        log.error("no connection can be accepted", error=error.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(PAUSE_SECONDS, self._again)

    def _again(self) -> None:
        if self._listening:
            self._loop.add_reader(self._listening, self._accept)

    def _head_read(self, sock: socket.socket, address: Any, data: bytes, unfinished: Unfinished) -> None:
        """Decide who serves a connection by its first request; it may be too large to be one."""
        end = data.find(b"\r\n\r\n")
        head = data[:end]
        if not 0 <= end <= MAX_HEAD_BYTES or head.count(b"\r\n") > MAX_HEAD_FIELDS:
            unfinished.done()
            self._refuse_head(sock, address)
            return
        try:
            if head.startswith(self._begin) and b"websocket" in head.lower():
                environ = parse(head.decode("latin-1"))
                if "websocket" in environ.get("HTTP_UPGRADE", "").lower():
                    environ.update(REMOTE_ADDR=address[0], REMOTE_PORT=str(address[1]))
                    environ.update(SERVER_NAME=self._name[0], SERVER_PORT=str(self._name[1]))
                    unfinished.done()  # its session counts from now on
                    self._upgrade(sock, environ, data[end + 4 :])
                    return
        except BadRequest as refused:
            unfinished.done()
            answer(self._loop, sock, refused.status, refused.headers)
            return
        self._loop.remove_reader(sock.fileno())
        unfinished.seconds = SENDING_SECONDS
        self._pass_on(sock, address, Pace(data, unfinished))

    def _refuse_head(self, sock: socket.socket, address: Any) -> None:
        log.info("a request head is too large", address=address[0])
        answer(self._loop, sock, TOO_LARGE)

    def _upgrade(self, sock: socket.socket, environ: dict[str, Any], early: bytes) -> None:
        """Let the application finish a handshake, or send what it answers instead; raises BadRequest."""
        started: list[Any] = ["500 Internal Server Error", []]
        body = b""
        check_handshake(environ)
        environ[UPGRADE] = upgrade = Upgrade(sock, environ, early)

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            started[:] = status, headers

        try:
            body = b"".join(self._wsgi(environ, start_response))
        except Exception:
            log.exception("an upgrade request failed")
        if not upgrade.taken:
            answer(self._loop, sock, started[0], started[1], body)


class Head:
    """The beginning of a connection, until its first request head is there."""

    __slots__ = ("_address", "_data", "_done", "_loop", "_seconds", "_sock", "_timer", "_unfinished")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        address: Any,
        seconds: float,
        done: Callable[[socket.socket, Any, bytes, Unfinished], None],
    ) -> None:
        self._loop, self._sock, self._address, self._seconds, self._done = loop, sock, address, seconds, done
        self._data = bytearray()

    def begin(self, unfinished: Unfinished) -> None:
        """Read until it is there; hang up on who takes too long."""
        self._unfinished = unfinished
        self._timer = self._loop.call_later(self._seconds, self.hang_up)
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(MAX_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.hang_up()
            return
        searched = max(len(self._data) - 3, 0)
        self._data += data
        if self._data.find(b"\r\n\r\n", searched) >= 0 or len(self._data) > MAX_HEAD_BYTES:
            # The reader stays, for whoever reads next takes its place in the loop more cheaply than anew.
            self._timer.cancel()
            self._done(self._sock, self._address, bytes(self._data), self._unfinished)

    def hang_up(self) -> None:
        """Close it, unless its head is there."""
        if not self._timer.cancelled():
            self._timer.cancel()
            self._unfinished.done()
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()


def answer(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    status: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> None:
    """Send a short response and close."""
    loop.remove_reader(sock.fileno())
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"HTTP/1.1 {status}\r\n{fields}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        sock.send(head.encode("latin-1") + body)  # far less than an empty socket takes at once
        sock.shutdown(socket.SHUT_WR)
    except OSError:  # the client is gone
        pass
    sock.close()
