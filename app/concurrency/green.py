"""Eventlet, and the only place that knows it.

The hub is eventlet's asyncio hub, so that nats-py runs in the same thread (measured: 3-5k JetStream publishes/s).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from app.concurrency import DeadlineReached, Mailbox

os.environ.setdefault("EVENTLET_HUB", "asyncio")  # before the first import of eventlet, which reads it once
with warnings.catch_warnings():
    # eventlet announces its own retirement at import; app/concurrency is how Spillway will leave it
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.event
    import eventlet.greenthread
    import eventlet.hubs
    import eventlet.patcher
    import eventlet.queue
    import eventlet.tpool
    import eventlet.websocket
    import eventlet.wsgi

T = TypeVar("T")

LAG_EVERY = 0.02  # seconds between two looks at the hub
LAG_CULPRIT = 0.1  # seconds past which the log names who held the hub (design.md, promise 5)
M_ARENA_MAX = -8  # malloc.h


class Green:
    """Green threads on one hub; computing and blocking calls are offloaded to real threads."""

    name = "eventlet"

    def __init__(self) -> None:
        eventlet.monkey_patch()
        eventlet.tpool.QUIET = True
        # The writer's real threads take the interpreter lock often and briefly: hand it back to the hub ten times
        # sooner than the default 5 ms.
        sys.setswitchinterval(0.0001)
        # With 2,000 clients full collections stalled the hub for 250-540 ms (findings.md).
        gc.set_threshold(10_000, 50, 1_000)
        _allow_many_files()
        _share_memory()
        _mend_websockets()

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Run in a new green thread."""
        eventlet.spawn_n(function, *args)

    def mailbox(self) -> Mailbox:
        """A LightQueue with the standard library's `Empty`."""
        box: Mailbox = eventlet.queue.LightQueue()
        return box

    def offload(self, function: Callable[..., T], *args: Any) -> T:
        """Run in eventlet's pool of real threads while other green threads go on."""
        value, error = eventlet.tpool.execute(_caught, function, args)
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]  # _caught gives the function's own value when there is no error

    def await_(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run on the hub's own loop.

        Not eventlet's spawn_for_awaitable: that prints caught exceptions, and a waiter that gives up leaves the
        coroutine running (findings.md).
        """
        task = eventlet.hubs.get_hub().loop.create_task(coroutine)
        done = eventlet.event.Event()
        task.add_done_callback(lambda _: done.send(None))
        waited = eventlet.Timeout(timeout)
        try:
            done.wait()
            return task.result()  # type: ignore[no-any-return]  # the coroutine's own value
        except eventlet.Timeout as reached:
            if reached is not waited:
                raise
        finally:
            waited.cancel()
            task.cancel()  # harmless when it is done
        raise TimeoutError(f"no answer within {timeout:g} s")

    def tls(self) -> Any:
        """Of the unpatched module: the hub's loop is asyncio as it was, and refuses eventlet's green context."""
        return eventlet.patcher.original("ssl").create_default_context()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Interrupt whatever waits; a computation that never waits cannot be interrupted."""
        timeout = eventlet.Timeout(seconds)
        try:
            yield
        except eventlet.Timeout as reached:
            if reached is not timeout:
                raise
            raise DeadlineReached(f"not done within {seconds:g} s") from None
        finally:
            timeout.cancel()

    def lag(self, report: Callable[[float, str | None], None]) -> None:
        """Watch the hub from a green thread, and the culprit from a real thread that the hub cannot hold up."""
        watch = _Watch()
        eventlet.spawn_n(watch.beat, report)
        threading = eventlet.patcher.original("threading")
        threading.Thread(target=watch.catch, args=(threading.main_thread().ident,), daemon=True).start()

    def cut(self, environ: dict[str, Any]) -> None:
        """Shut the socket down: who waits to send or receive there fails at once."""
        with contextlib.suppress(OSError, KeyError):
            environ["eventlet.input"].get_socket().shutdown(socket.SHUT_RDWR)

    def serve(
        self, wsgi: Any, host: str, port: int, connections: int, ready: Callable[[int], None], drain: Callable[[], None]
    ) -> None:
        """Serve with eventlet's own server (gunicorn 26 has no eventlet worker any more)."""
        listener = _listen(host, port)
        pool = eventlet.GreenPool(connections)
        server = eventlet.spawn(
            eventlet.wsgi.server,
            listener,
            _never_idle(wsgi),
            custom_pool=pool,
            log_output=False,
            debug=False,
            socket_timeout=60,
            keepalive=30,
        )
        asked = eventlet.event.Event()
        loop = eventlet.hubs.get_hub().loop
        # A plain signal handler would raise inside whatever the hub runs and break it ("Already running!").
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: asked.ready() or asked.send(None))
        ready(listener.getsockname()[1])
        asked.wait()
        # SystemExit is what makes wsgi.server leave its accept loop in peace; shutting the listener down makes it raise.
        eventlet.greenthread.kill(server, SystemExit())
        drain()


def _caught(function: Callable[..., T], args: tuple[Any, ...]) -> tuple[T | None, Exception | None]:
    try:
        return function(*args), None
    except Exception as error:  # handed to the caller, who raises it on the hub's side
        return None, error


def _never_idle(wsgi: Any) -> Any:
    """Keep eventlet from counting websockets as idle: it would cut them before the drain has told them anything."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        environ["eventlet.set_idle"] = lambda: None
        return wsgi(environ, start_response)

    return application


def _listen(host: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = eventlet.listen((host, port), family=family, backlog=1024, reuse_port=False)
    # Without it two small frames in a row wait 40 ms for each other (findings.md); accepted sockets inherit it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _share_memory() -> None:
    """One arena for all real threads: glibc gives each of the pool's 20 one of its own, and keeps what was freed there.

    Measured after 12,000 jobs: 122 MB instead of 152.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _mend_websockets() -> None:
    """Take the masks off in one step, and never compress.

    Eventlet unmasks a byte at a time (64 KB stall every client for 15.8 ms). Compression more than doubles the memory
    of an idle connection, and inside an authenticated chat it leaks lengths.
    """
    eventlet.websocket.RFC6455WebSocket._apply_mask = staticmethod(unmask)
    eventlet.websocket.WebSocketWSGI._negotiate_permessage_deflate = lambda self, extensions: None
    eventlet.websocket.WebSocketWSGI._handle_hybi_request = _let_go(
        eventlet.websocket.WebSocketWSGI._handle_hybi_request
    )


def _let_go(shake_hands: Callable[..., Any]) -> Callable[..., Any]:
    """The handshake; when the client is gone before its end, Engine.IO's side is closed at once.

    Without this its socket would stay open until the ping time-out: nobody tells Engine.IO.
    """

    def handshake(self: Any, environ: dict[str, Any]) -> Any:
        try:
            return shake_hands(self, environ)
        except OSError:
            self.handler.__self__.close(wait=False, abort=True)  # handler is a method of Engine.IO's connection
            raise

    return handshake


def unmask(data: bytes, mask: tuple[int, ...], length: int | None = None, offset: int = 0) -> bytes:
    """The bytes xor the mask, as RFC 6455 section 5.3 has it; `offset` is where in the frame they begin."""
    size = len(data) if length is None else length
    key = bytes(mask[(offset + i) % 4] for i in range(4))
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data[:size], "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


class _Watch:
    """Two sides of one clock: the hub winds it, a real thread looks when it stops."""

    def __init__(self) -> None:
        self.wound = time.monotonic()
        self.culprit: str | None = None

    def beat(self, report: Callable[[float, str | None], None]) -> None:
        """Sleep, and report by how much the hub woke us too late."""
        while True:
            self.wound = before = time.monotonic()
            eventlet.sleep(LAG_EVERY)
            late = time.monotonic() - before - LAG_EVERY
            culprit, self.culprit = self.culprit, None
            report(max(late, 0.0), culprit if late > LAG_CULPRIT else None)

    def catch(self, hub_thread: int) -> None:
        """Note the stack of the hub's thread whenever the clock stands still."""
        sleep = eventlet.patcher.original("time").sleep
        while True:
            sleep(LAG_EVERY)
            if time.monotonic() - self.wound > LAG_EVERY + LAG_CULPRIT and self.culprit is None:
                frame = sys._current_frames().get(hub_thread)
                self.culprit = "".join(traceback.format_stack(frame)[-6:]) if frame else None
