"""Ending model calls from outside: the connections they use are cut, whatever they wait for.

Kept in a context variable, as the deadline is: every thread and every green thread has its own.
"""

import _socket
import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ml_clients.variable import Holding

_current: ContextVar["Stop | None"] = ContextVar("ml_clients_stop", default=None)


class Stopped(ConnectionError):
    """Nobody waits for the answer of this call any more."""


class Stop:
    """Ends the model calls that are made inside a `stoppable` block; `now` may be called from any thread."""

    def __init__(self) -> None:
        self.stopped = False
        self._sockets: set[socket.socket] = set()

    def now(self) -> None:
        """Cut the connections in use; calls that follow are not made."""
        self.stopped = True  # first: a call that begins in between sees it
        for sock in list(self._sockets):
            _cut(sock)

    def check(self) -> None:
        """Raise Stopped once it was stopped."""
        if self.stopped:
            raise Stopped("stopped: nobody waits for it any more")

    @contextmanager
    def watching(self, sock: socket.socket) -> Iterator[None]:
        """This connection is cut, too; raises Stopped when it is too late."""
        self._sockets.add(sock)
        try:
            self.check()
            yield
        finally:
            self._sockets.discard(sock)


def stoppable(stop: Stop) -> contextlib.AbstractContextManager[None]:
    """Every model call made inside can be ended by this."""
    return Holding(_current, stop)


def in_use(sock: socket.socket) -> contextlib.AbstractContextManager[None]:
    """The connection is used by the call being made; raises Stopped where that is not wanted any more."""
    stop = _current.get()
    return contextlib.nullcontext() if stop is None else stop.watching(sock)


def _cut(sock: socket.socket) -> None:
    """Whoever waits on it gets its end at once. Past the object, which may be green, or TLS in the middle of a read."""
    with contextlib.suppress(OSError):  # it was closed just now
        bare = _socket.socket(fileno=os.dup(sock.fileno()))
        try:
            bare.shutdown(socket.SHUT_RDWR)
        finally:
            bare.close()
