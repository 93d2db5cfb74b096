"""What the web process runs on: green threads (eventlet) or real ones, behind one small interface.

Everything else uses the standard library (`threading`, `time.sleep`), which `patch` makes green where that is wanted.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from app.concurrency.paced import Pace
from app.where import Step

T = TypeVar("T")


class DeadlineReached(Exception):
    """The block took longer than it may."""


class Mailbox(Protocol):
    """An unbounded queue which anything may fill, a coroutine's callback too, without waiting."""

    def put(self, item: Any) -> None:
        """Add an item; never waits."""

    def get(self, timeout: float | None = None) -> Any:
        """The oldest item; raises `queue.Empty` after `timeout` seconds."""

    def qsize(self) -> int:
        """How many items wait."""


PassOn = Callable[[socket.socket, Any, Pace], None]
"""Takes an accepted socket, its peer's address, and what its pace is: the bytes read already are in there."""


class Listener(Protocol):
    """Accepts connections on the loop and keeps the websockets; HTTP requests it passes on."""

    def open(self, listening: socket.socket, wsgi: Any, pass_on: PassOn) -> None:
        """Begin to accept; called on the loop."""

    def adopt(self, sock: socket.socket, environ: dict[str, Any]) -> None:
        """Take over a connection whose later request is a websocket upgrade; called on the loop."""

    def close(self) -> None:
        """Accept nothing more; called on the loop."""


class Concurrency(Protocol):
    """The seam between Spillway and its concurrency library."""

    name: str
    loop: asyncio.AbstractEventLoop

    def start(self, function: Callable[..., Any], *args: Any) -> None:
        """Run the function where it may block, without waiting for it; what it raises is logged."""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """The value of a function that is run on the loop's thread and never blocks; its exceptions are raised here."""

    def post(self, function: Callable[..., Any], *args: Any) -> None:
        """Run a function that never blocks on the loop's thread: now when this is it, else soon and in order."""

    def request_socket(self, environ: dict[str, Any]) -> socket.socket | None:
        """The connection that a WSGI request came through; to look at, not to read from."""

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """Run the function in a real thread, also where threads are green; it may touch nothing that is green."""

    def os_queue(self) -> Any:
        """A `queue.SimpleQueue` between real threads and the loop, on which only threads may wait."""

    def mailbox(self) -> Mailbox:
        """A new mailbox."""

    def await_(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """The coroutine's value; it is cancelled and TimeoutError raised after `timeout` seconds."""

    @property
    def wait_readable(self) -> Callable[[int, float], bool] | None:
        """A way to wait for a file descriptor that costs less than a socket's own: whether it was readable in time.

        None where there is none.
        """

    @property
    def pause(self) -> Callable[[], None] | None:
        """A way to wait a moment, some fifty milliseconds, with one wake-up for all who wait like this; or None."""

    def tls(self) -> Any:
        """An `ssl.SSLContext` for clients that `await_` runs: the system's authorities, or those of SSL_CERT_FILE."""

    def deadline(self, seconds: float) -> AbstractContextManager[None]:
        """Raise DeadlineReached in the block once it has waited too long (where the library can)."""

    def lag(self, report: Callable[[float, list[list[Step]]], None]) -> None:
        """Report how late the hub is, in seconds, many times a second.

        Past 100 ms the stacks are given, too, that the hub's thread was found with meanwhile.
        """

    def serve(
        self,
        wsgi: Any,
        listener: Listener,
        host: str,
        port: int,
        requests: int,
        ready: Callable[[int], None],
        drain: Callable[[], None],
    ) -> None:
        """Serve until SIGTERM or SIGINT, then run `drain` and return; `ready` gets the port once it listens.

        At most `requests` HTTP connections are served at a time. Raises OSError when the port cannot be had.
        """


def patch(mode: str) -> Concurrency:
    """Make this process green (or not) and return its concurrency; the first thing a web process does."""
    if mode == "eventlet":
        from app.concurrency.green import Green

        return Green()
    from app.concurrency.threads import Threads

    return Threads()
