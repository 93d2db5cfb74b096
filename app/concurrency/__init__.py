"""What the web process runs on: green threads (eventlet) or real ones, behind one small interface.

Everything else uses the standard library (`threading`, `time.sleep`), which `patch` makes green where that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

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


class Concurrency(Protocol):
    """The seam between Spillway and its concurrency library."""

    name: str

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Run the function concurrently, at once, and forget it."""

    def mailbox(self) -> Mailbox:
        """A new mailbox."""

    def offload(self, function: Callable[..., T], *args: Any) -> T:
        """The function's value, computed off the hub so that chat goes on; its exceptions are raised here."""

    def await_(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """The coroutine's value; it is cancelled and TimeoutError raised after `timeout` seconds."""

    def tls(self) -> Any:
        """An `ssl.SSLContext` for clients that `await_` runs: the system's authorities, or those of SSL_CERT_FILE."""

    def deadline(self, seconds: float) -> AbstractContextManager[None]:
        """Raise DeadlineReached in the block once it has waited too long (where the library can)."""

    def lag(self, report: Callable[[float, str | None], None]) -> None:
        """Report how late the hub is, in seconds, many times a second, with the culprit's stack past 100 ms."""

    def cut(self, environ: dict[str, Any]) -> None:
        """Cut the connection that a request came through, whatever is still being sent there."""

    def serve(
        self, wsgi: Any, host: str, port: int, connections: int, ready: Callable[[int], None], drain: Callable[[], None]
    ) -> None:
        """Serve until SIGTERM or SIGINT, then run `drain` and return; `ready` gets the port once it listens."""


def patch(mode: str) -> Concurrency:
    """Make this process green (or not) and return its concurrency; the first thing a web process does."""
    if mode == "eventlet":
        from app.concurrency.green import Green

        return Green()
    from app.concurrency.threads import Threads

    return Threads()
