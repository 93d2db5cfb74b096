"""The websocket handshake of RFC 6455 section 4: a request head becomes a WSGI environment, and is answered."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import socket
import sys
import urllib.parse
from typing import Any

from app.transport.websocket import Output, Receiver, WebSocket

UPGRADE = "spillway.upgrade"  # where an application finds, in the WSGI environment, the websocket it may open
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
