"""Accepts connections on the loop, reads each one's first request head, and keeps the websockets."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import socket
import sys
import urllib.parse
from collections.abc import Callable
from typing import Any

import structlog

from app.concurrency import PassOn
from app.transport.websocket import Output, Receiver, WebSocket

log = structlog.get_logger()

UPGRADE = "spillway.upgrade"  # where an application finds, in the WSGI environment, the websocket it may open
MAX_HEAD_BYTES = 16384
ACCEPTS_PER_ROUND = 32
PAUSE_SECONDS = 0.5  # without a file to spare, before accepting is tried again
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
KEY_NAMES: dict[str, str] = {}  # header -> its WSGI key, each kept once for all connections
MAX_KEY_NAMES = 200


class BadRequest(Exception):
    """A head that is no valid websocket upgrade; the status and headers say how to answer."""

    def __init__(self, status: str, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status, self.headers = status, list(headers)


class Upgrade:
    """A websocket handshake that waits for somebody to finish it."""

    def __init__(self, sock: socket.socket, environ: dict[str, Any], early: bytes) -> None:
        self._sock, self._early = sock, early
        self._key = environ["HTTP_SEC_WEBSOCKET_KEY"].encode("latin-1")
        self.taken = False

    def accept(self, output: Output, max_message: int, receiver: Receiver, first: bytes = b"") -> WebSocket:
        """Answer 101 and these first frames; from now on the receiver is told."""
        self.taken = True
        websocket = WebSocket(self._sock, output, max_message, receiver)
        accept = base64.b64encode(hashlib.sha1(self._key + GUID, usedforsecurity=False).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        websocket.begin(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + first, self._early)
        return websocket


class Listener:
    """As app.concurrency has it. Whatever it calls is called on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: str, head_seconds: float) -> None:
        self._loop, self._path, self._head_seconds = loop, path, head_seconds
        self._listening: socket.socket | None = None
        self._wsgi: Any = None
        self._pass_on: PassOn = lambda sock, address, first: sock.close()

    def open(self, listening: socket.socket, wsgi: Any, pass_on: PassOn) -> None:
        """Begin to accept."""
        self._listening, self._wsgi, self._pass_on = listening, wsgi, pass_on
        self._loop.add_reader(listening, self._accept)

    def adopt(self, sock: socket.socket, environ: dict[str, Any]) -> None:
        """Take over a connection whose later request is a websocket upgrade."""
        sock.setblocking(False)
        self._upgrade(sock, dict(environ), b"")

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
                sock, address = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(self._listening, error)
                return
            sock.setblocking(False)
            Head(self._loop, sock, address, self._head_seconds, self._head_read).begin()

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Not a try each round: a listening socket stays readable as long as somebody waits."""
        log.error("no connection can be accepted", error=error.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(PAUSE_SECONDS, self._again)

    def _again(self) -> None:
        if self._listening:
            self._loop.add_reader(self._listening, self._accept)

    def _head_read(self, sock: socket.socket, address: Any, data: bytes) -> None:
        """Decide who serves a connection by its first request."""
        end = data.find(b"\r\n\r\n")
        head = data[:end]
        if not head.startswith(b"GET " + self._path.encode()) or b"websocket" not in head.lower():
            self._pass_on(sock, address, data)
            return
        try:
            environ = parse(head.decode("latin-1"))
        except BadRequest as refused:
            _answer(sock, refused.status, refused.headers, b"")
            return
        environ.update(REMOTE_ADDR=address[0], REMOTE_PORT=str(address[1]))
        if "websocket" not in environ.get("HTTP_UPGRADE", "").lower():
            self._pass_on(sock, address, data)
            return
        name = sock.getsockname()
        environ.update(SERVER_NAME=name[0], SERVER_PORT=str(name[1]))
        self._upgrade(sock, environ, data[end + 4 :])

    def _upgrade(self, sock: socket.socket, environ: dict[str, Any], early: bytes) -> None:
        """Let the application finish a handshake, or send what it answers instead."""
        answer: list[Any] = ["500 Internal Server Error", []]
        body = b""
        try:
            check_handshake(environ)
            environ[UPGRADE] = upgrade = Upgrade(sock, environ, early)
            body = b"".join(
                self._wsgi(environ, lambda status, headers, _=None: answer.__setitem__(slice(2), (status, headers)))
            )
            if upgrade.taken:
                return
        except BadRequest as refused:
            answer = [refused.status, refused.headers]
        except Exception:
            log.exception("an upgrade request failed")
        _answer(sock, answer[0], answer[1], body)


class Head:
    """The beginning of a connection, until its first request head is there."""

    __slots__ = ("_address", "_data", "_done", "_loop", "_seconds", "_sock", "_timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        address: Any,
        seconds: float,
        done: Callable[[socket.socket, Any, bytes], None],
    ) -> None:
        self._loop, self._sock, self._address, self._seconds, self._done = loop, sock, address, seconds, done
        self._data = bytearray()

    def begin(self) -> None:
        """Read until it is there; hang up on who takes too long."""
        self._timer = self._loop.call_later(self._seconds, self._give_up)
        self._loop.add_reader(self._sock, self._readable)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(MAX_HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._give_up()
            return
        searched = max(len(self._data) - 3, 0)
        self._data += data
        if self._data.find(b"\r\n\r\n", searched) >= 0:
            self._stop()
            self._done(self._sock, self._address, bytes(self._data))
        elif len(self._data) > MAX_HEAD_BYTES:
            self._stop()
            _answer(self._sock, "431 Request Header Fields Too Large", [], b"")

    def _stop(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._sock)

    def _give_up(self) -> None:
        self._stop()
        self._sock.close()


def parse(head: str) -> dict[str, Any]:
    """The WSGI environment of a request head; raises BadRequest."""
    first, *lines = head.split("\r\n")
    try:
        method, target, protocol = first.split(" ")
    except ValueError:
        raise BadRequest("400 Bad Request") from None
    if protocol != "HTTP/1.1":
        raise BadRequest("400 Bad Request")
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": protocol,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():  # a folded line, too, begins with a space
            raise BadRequest("400 Bad Request")
        if "_" not in name:  # as every server does: it could not be told from the same name with a dash
            key = _key_name(name)
            value = value.strip()
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _key_name(header: str) -> str:
    key = KEY_NAMES.get(header)
    if key is None:
        key = header.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        if len(KEY_NAMES) < MAX_KEY_NAMES:
            KEY_NAMES[header] = key
    return key


def check_handshake(environ: dict[str, Any]) -> None:
    """Raise BadRequest unless this is a handshake as RFC 6455 section 4.2.1 wants it."""
    connection = [each.strip().lower() for each in environ.get("HTTP_CONNECTION", "").split(",")]
    if environ["REQUEST_METHOD"] != "GET" or "upgrade" not in connection:
        raise BadRequest("400 Bad Request")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise BadRequest("426 Upgrade Required", ("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket"))
    try:
        key = base64.b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        raise BadRequest("400 Bad Request")


def _answer(sock: socket.socket, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
    """Send a short response and close."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"HTTP/1.1 {status}\r\n{fields}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        sock.send(head.encode("latin-1") + body)  # far less than an empty socket takes at once
        sock.shutdown(socket.SHUT_WR)
    except OSError:  # the client is gone
        pass
    sock.close()
