"""Real threads: where Spillway goes when it leaves eventlet, and the second run of the socket tests."""

from __future__ import annotations

import asyncio
import gc
import queue
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

from app.concurrency import Listener, Mailbox, PassOn
from app.concurrency.listening import allow_many_files, listen
from app.concurrency.paced import Pace, paced
from app.stopping import stop_signals
from app.where import Step

log = structlog.get_logger()

T = TypeVar("T")

MAX_WORKERS = 128  # functions that may block at a time; further ones wait
LAG_EVERY = 0.02  # seconds between two looks at the loop
REQUEST_SECONDS = 60  # an HTTP client may be silent for so long in the middle of a request


class Threads:
    """One loop in a thread of its own; what may block runs in pooled threads."""

    name = "threading"

    def __init__(self) -> None:
        # A thread that computes hands the interpreter to the loop ten times sooner than by default.
        sys.setswitchinterval(0.0005)
        gc.set_threshold(10_000, 50, 1_000)  # as on eventlet
        allow_many_files()
        self.loop = asyncio.new_event_loop()
        self._workers = _Workers()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True, name="loop")
        self._thread.start()

    def start(self, function: Callable[..., Any], *args: Any) -> None:
        """In a pooled thread."""
        self._workers.run(function, args)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Handed to the loop's thread, whose answer is waited for."""
        if threading.current_thread() is self._thread:
            return function(*args)
        answer: Future[T] = Future()
        self.loop.call_soon_threadsafe(_answer, answer, function, args)
        return answer.result()

    def post(self, function: Callable[..., Any], *args: Any) -> None:
        """Handed to the loop's thread, in order."""
        if threading.current_thread() is self._thread:
            function(*args)
        else:
            self.loop.call_soon_threadsafe(function, *args)

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """A thread like any other here."""
        threading.Thread(target=function, args=args, daemon=True).start()

    def os_queue(self) -> Any:
        """The standard library's."""
        return queue.SimpleQueue()

    def mailbox(self) -> Mailbox:
        """A SimpleQueue."""
        return _Mailbox()

    def await_(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run on the loop."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    wait_readable = None  # the kernel's own wait is the cheapest
    pause = None  # a thread that waits costs nobody a turn

    def tls(self) -> Any:
        """The standard library's."""
        return ssl.create_default_context()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Threads cannot be interrupted: the clients' own deadlines bound the wait."""
        yield

    def lag(self, report: Callable[[float, list[list[Step]]], None]) -> None:
        """Watch the loop, at whose stack nobody looks: what may block does not run there."""

        def beat(due: float) -> None:
            report(max(self.loop.time() - due, 0.0), [])
            self.loop.call_later(LAG_EVERY, beat, self.loop.time() + LAG_EVERY)

        self.post(beat, self.loop.time())

    def request_socket(self, environ: dict[str, Any]) -> socket.socket | None:
        """Werkzeug's own."""
        return environ.get("werkzeug.socket")

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
        """Serve each HTTP request with Werkzeug's handler, in a thread of its own."""
        listening = listen(socket, host, port)
        serve_request = _http(wsgi, listening, requests)
        self.call(listener.open, listening, wsgi, serve_request)
        asked = threading.Event()
        for number in stop_signals():
            signal.signal(number, lambda *_: asked.set())
        ready(listening.getsockname()[1])
        while not asked.wait(0.5):
            pass  # a signal that another thread was given does not end a wait of this one
        self.call(listener.close)
        drain()


def _answer(answer: Future[T], function: Callable[..., T], args: tuple[Any, ...]) -> None:
    try:
        answer.set_result(function(*args))
    except BaseException as error:  # raised again where it is waited for
        answer.set_exception(error)


def _http(wsgi: Any, listening: socket.socket, requests: int) -> PassOn:
    """What serves the requests of a connection in a thread of its own, and hangs up when there are too many."""
    from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

    room = threading.BoundedSemaphore(requests)

    class Quiet(WSGIRequestHandler):
        timeout = REQUEST_SECONDS

        def log(self, type: str, message: str, *args: Any) -> None:
            """Spillway writes its own log."""

    class Server(ThreadedWSGIServer):
        def shutdown_request(self, request: Any) -> None:
            """Make room for another; called at the end of each, however it ends."""
            try:
                super().shutdown_request(request)
            finally:
                room.release()

    host, port = listening.getsockname()[:2]
    server = Server(
        host, port, paced(wsgi, lambda environ: environ["werkzeug.socket"].pace), Quiet, fd=listening.fileno()
    )

    def serve(sock: socket.socket, address: Any, pace: Pace) -> None:
        connection = _Paced(sock, pace)
        if room.acquire(blocking=False):
            server.process_request(connection, address)
        else:
            connection.close()

    return serve


class _Paced(socket.socket):
    """A socket on which a client has its time to send."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        super().__init__(fileno=sock.detach())
        self.setblocking(True)
        self.pace = pace
        pace.belongs_to(self)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """What Werkzeug's handler reads with, through makefile()."""
        return self.pace.receive_into(self, super().recv_into, buffer, nbytes, flags)

    def close(self) -> None:
        """As any other."""
        self.pace.closed()
        super().close()


class _Workers:
    """Threads that wait for the next function; there are as many as functions ran at once, up to MAX_WORKERS.

    Not a ThreadPoolExecutor: the interpreter waits for its threads when it ends, whatever they are stuck in.
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = self._threads = 0

    def run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Give it to an idle thread, a new one, or the next that is done."""
        with self._lock:
            self._idle -= 1
            if self._idle < 0 and self._threads < MAX_WORKERS:
                self._idle, self._threads = self._idle + 1, self._threads + 1
                threading.Thread(target=self._work, daemon=True, name="worker").start()
        self._waiting.put((function, args))

    def _work(self) -> None:
        while True:
            function, args = self._waiting.get()
            try:
                function(*args)
            except BaseException:  # also SystemExit from somebody's code: the thread must go on, and be counted
                log.exception("a background function failed")
            with self._lock:
                self._idle += 1


class _Mailbox(queue.SimpleQueue[Any]):
    def get(self, timeout: float | None = None) -> Any:  # type: ignore[override]  # the small interface of Mailbox
        return super().get(timeout=timeout)
