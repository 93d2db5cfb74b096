"""How long a client may take to send an HTTP request, and how long its head may be; else its connection is closed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

HANG_UP = "spillway.hang_up"  # in a WSGI environment: read nothing more from this client

MAX_HEAD_BYTES = 16_384  # of a request line and all fields
MAX_HEAD_FIELDS = 100  # as http.client has it for those that are read there
TOO_LARGE = "431 Request Header Fields Too Large"
IDLE_SECONDS = 30.0  # between two requests of one connection
HEAD_SECONDS = 10.0  # from the first byte of a request until its head is complete
BODY_SECONDS = 10.0  # for a body, and a second more for each LEAST_RATE bytes of it
LEAST_RATE = 16_384  # bytes a second
LINGER_SECONDS = 2.0  # in which a client that is refused may still send, so that it reads why


class Unfinished(Protocol):
    """The place that a connection has among those whose clients are still to send something."""

    close: Callable[[], Any]

    def begin(self) -> None:
        """Its client is to send something."""

    def done(self) -> None:
        """It has; or the connection is closed."""


class Pace:
    """What may be read of one connection, and until when. `first` was read already, and has a whole head in it."""

    def __init__(self, first: bytes, unfinished: Unfinished) -> None:
        self._first, self._unfinished = memoryview(first), unfinished
        self._until = time.monotonic() + HEAD_SECONDS
        self._idle = self._over = False
        self._head_bytes: int | None = 0  # received of a head so far; None while a body is due
        self._body_left = 0  # of which this much is still to come, or more than that: some came with its head

    def belongs_to(self, sock: socket.socket) -> None:
        """This is what reads from the connection now: who closes it ends it here, and the reader sees its end."""
        self._unfinished.close = partial(_shut, sock)

    def expect_body(self, length: int) -> None:
        """The head of a request is complete, and so many bytes are due."""
        self._head_bytes, self._body_left = None, length
        self._until = time.monotonic() + BODY_SECONDS + length / LEAST_RATE
        if not length:
            self._unfinished.done()

    def expect_request(self, hang_up: bool) -> None:
        """A request is answered: the next may come, or only what is left of this one."""
        self._idle, self._over = not hang_up, hang_up
        self._head_bytes = -self._body_left  # a body that nobody wanted is read past before the next head
        self._until = time.monotonic() + (LINGER_SECONDS if hang_up else IDLE_SECONDS)
        self._unfinished.begin()

    def closed(self) -> None:
        """The connection is closed."""
        self._unfinished.done()

    def receive_into(self, sock: Any, receive: Callable[..., int], buffer: Any, nbytes: int, flags: int) -> int:
        """Bytes from the socket, those of `first` before any others.

        Raises TimeoutError, which both servers take for the end of a connection, when they come too late or a head has
        too many of them.
        """
        if self._first:
            size = min(len(self._first), nbytes or len(buffer))
            memoryview(buffer)[:size] = self._first[:size]
            self._first = self._first[size:]
            return size
        left = self._until - time.monotonic()
        if left <= 0 and self._over:
            return 0  # as if it had ended: what comes besides is of no interest
        if left <= 0:
            raise TimeoutError("the client sends too slowly")
        if (self._head_bytes or 0) >= MAX_HEAD_BYTES:  # and it is still not complete, or nobody would ask for more
            _refuse(sock)
            raise TimeoutError("the head of a request is too large")
        sock.settimeout(left)
        received = receive(buffer, nbytes, flags)
        if self._head_bytes is None:
            self._body_left = max(0, self._body_left - received)
        else:
            self._head_bytes += received
        if self._idle and received:
            self._idle, self._until = False, time.monotonic() + HEAD_SECONDS
        return received


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended
        pass


def _refuse(sock: Any) -> None:
    try:
        sock.sendall(f"HTTP/1.1 {TOO_LARGE}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
    except OSError:  # the client is gone
        pass


def paced(wsgi: Any, pace_of: Callable[[dict[str, Any]], Pace]) -> Any:
    """The application, whose clients have their time to send."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        pace, length = pace_of(environ), environ.get("CONTENT_LENGTH") or "0"
        pace.expect_body(int(length) if length.isdecimal() else 0)
        try:
            return wsgi(environ, start_response)
        finally:
            pace.expect_request(HANG_UP in environ)

    return application
