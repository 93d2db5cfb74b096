"""urllib3 connections that keep a total deadline, where its own timeout starts anew at each read.

A server that sends one byte a second would otherwise hold a caller for as long as it likes.
"""

import io
import socket
from http.client import HTTPException, HTTPResponse
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from ml_clients.deadline import remaining

# Idle connections kept: more than any process runs model calls at once.
KEPT = 256
# A body is sent in blocks of this many bytes, each against what is left of the deadline.
BLOCK = 65536


class DroppedConnection(HTTPException):
    """A connection kept from an earlier call was closed before a byte of this answer came."""


class _UntilDeadline(io.RawIOBase):
    """The bytes of a socket, until the deadline in force."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # Any: the typing of buffers differs by version
        self._sock.settimeout(remaining())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_UntilDeadline(sock))


class _Deadline(HTTPConnection):
    """What both kinds of connection add: the deadline, and knowing a connection gone stale."""

    response_class = _Response
    has_answered = False

    def connect(self) -> None:
        super().connect()
        self.has_answered = False

    def send(self, data: Any) -> None:  # Any: as http.client declares it
        for start in range(0, len(data), BLOCK):
            if self.sock is not None:
                self.sock.settimeout(remaining())
            super().send(data[start : start + BLOCK])

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override] # urllib3 does it
        try:
            response = super().getresponse()
        except ConnectionError as error:
            if self.has_answered:
                raise DroppedConnection(str(error)) from error
            raise
        self.has_answered = True
        return response


class _SecureDeadline(_Deadline, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Deadline


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureDeadline


def pool_for(scheme: str, host: str, port: int | None) -> urllib3.HTTPConnectionPool:
    """A pool of kept-alive connections to one server, opening as many as are asked for at once."""
    kind = _SecurePool if scheme == "https" else _Pool
    # urllib3's own retries stay off: when to try again is decided where attempts are counted.
    return kind(host, port, maxsize=KEPT, block=False, retries=False)
