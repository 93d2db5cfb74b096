"""Real threads: where Spillway goes when it leaves eventlet, and the second run of the socket tests."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from app.concurrency import Mailbox

T = TypeVar("T")


class Threads:
    """One real thread for each connection and each job; nothing needs offloading."""

    name = "threading"

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Run in a new thread."""
        threading.Thread(target=function, args=args, daemon=True).start()

    def mailbox(self) -> Mailbox:
        """A SimpleQueue."""
        return _Mailbox()

    def offload(self, function: Callable[..., T], *args: Any) -> T:
        """Run here: a blocked thread holds up nobody else."""
        return function(*args)

    def await_(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run on a loop in a thread of its own, started when first needed."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def tls(self) -> Any:
        """The standard library's."""
        return ssl.create_default_context()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Threads cannot be interrupted: the clients' own deadlines bound the wait."""
        yield

    def lag(self, report: Callable[[float, str | None], None]) -> None:
        """There is no hub to be late."""
        report(0.0, None)

    def cut(self, environ: dict[str, Any]) -> None:
        """Shut the socket down: who waits to send or receive there fails at once."""
        with contextlib.suppress(OSError, KeyError):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)

    def serve(
        self, wsgi: Any, host: str, port: int, connections: int, ready: Callable[[int], None], drain: Callable[[], None]
    ) -> None:
        """Serve with Werkzeug's threaded server, which Flask-SocketIO's threading mode expects."""
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, type: str, message: str, *args: Any) -> None:
                """Spillway writes its own log."""

        server = make_server(host, port, wsgi, threaded=True, request_handler=Quiet)
        asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: asked.set())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ready(server.server_port)
        while not asked.wait(0.5):
            pass  # a signal that another thread was given does not end a wait of this one
        drain()


class _Mailbox(queue.SimpleQueue[Any]):
    def get(self, timeout: float | None = None) -> Any:  # type: ignore[override]  # the small interface of Mailbox
        return super().get(timeout=timeout)
