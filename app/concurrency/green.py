"""Eventlet, and the only place that knows it.

The hub is eventlet's asyncio hub, so that nats-py runs in the same thread (measured: 3-5k JetStream publishes/s).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import structlog
from greenlet import getcurrent, greenlet

from app.concurrency import DeadlineReached, Listener, Mailbox
from app.concurrency.listening import allow_many_files, listen
from app.concurrency.paced import IDLE_SECONDS, Pace, paced
from app.stopping import stop_signals
from app.where import Step

os.environ.setdefault("EVENTLET_HUB", "asyncio")  # before the first import of eventlet, which reads it once
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # names are looked up in real threads, where nothing may be green
with warnings.catch_warnings():
    # eventlet announces its own retirement at import; app/concurrency is how Spillway will leave it
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.event
    import eventlet.greenio
    import eventlet.greenthread
    import eventlet.hubs
    import eventlet.patcher
    import eventlet.queue
    import eventlet.tpool
    import eventlet.wsgi

log = structlog.get_logger()

T = TypeVar("T")

LAG_EVERY = 0.02  # seconds between two looks at the hub
LAG_CULPRIT = 0.1  # seconds past which the log names who held the hub
LOOK_AFTER = 0.04  # seconds past which its stack is looked at: several times until then
MAX_STACKS = 500  # of one time that it is held
M_ARENA_MAX = -8  # malloc.h
BEAT_SECONDS = 0.056  # in which a text that people see grow is shown once (app/jobs/texts.py)
IDLE_GREENLETS = 64  # kept for the next function that may block


class Green:
    """Green threads on one hub."""

    name = "eventlet"

    def __init__(self) -> None:
        eventlet.monkey_patch()
        eventlet.tpool.QUIET = True
        # The writer's real threads take the interpreter lock often and briefly: hand it back to the hub ten times
        # sooner than the default 5 ms.
        sys.setswitchinterval(0.0001)
        # With 2,000 clients full collections stalled the hub for 250-540 ms (docs/adr/0006-eventlet.md).
        gc.set_threshold(10_000, 50, 1_000)
        allow_many_files()
        _share_memory()
        self.loop = eventlet.hubs.get_hub().loop
        self._greenlets = _Greenlets()
        self._beat = _Beat()

    def start(self, function: Callable[..., Any], *args: Any) -> None:
        """In a pooled greenlet: from the loop it runs at once, and this returns when it is done or blocks first."""
        self._greenlets.run(function, args)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Here: all greenlets run on the loop's thread, and what never blocks is not interrupted."""
        return function(*args)

    def post(self, function: Callable[..., Any], *args: Any) -> None:
        """Here, as `call`."""
        function(*args)

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """Through the unpatched module."""
        threading = eventlet.patcher.original("threading")
        threading.Thread(target=function, args=args, daemon=True).start()

    def os_queue(self) -> Any:
        """Of the unpatched module."""
        return eventlet.patcher.original("queue").SimpleQueue()

    def mailbox(self) -> Mailbox:
        """A LightQueue with the standard library's `Empty`."""
        box: Mailbox = eventlet.queue.LightQueue()
        return box

    def await_(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run on the hub's own loop.

        Not eventlet's spawn_for_awaitable: that prints caught exceptions, and a waiter that gives up leaves the
        coroutine running (docs/adr/0006-eventlet.md).
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

    @property
    def wait_readable(self) -> Callable[[int, float], bool]:
        """See `_wait_readable`."""
        return _wait_readable

    @property
    def pause(self) -> Callable[[], None]:
        """See `_Beat`."""
        return self._beat.wait

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

    def lag(self, report: Callable[[float, list[list[Step]]], None]) -> None:
        """Watch the loop by a timer of its own, and its stack from a real thread that the loop cannot hold up."""
        watch = _Watch(self.loop, report)
        watch.beat()
        threading = eventlet.patcher.original("threading")
        threading.Thread(target=watch.look, args=(threading.main_thread().ident,), daemon=True).start()

    def request_socket(self, environ: dict[str, Any]) -> socket.socket | None:
        """The real socket below eventlet's."""
        source = environ.get("eventlet.input")
        return source.get_socket().fd if source else None

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
        """Serve HTTP with eventlet's own server (gunicorn 26 has no eventlet worker any more)."""
        listening = listen(eventlet.patcher.original("socket"), host, port)
        accepted = _Accepted(listening)
        server = eventlet.spawn(
            eventlet.wsgi.server,
            accepted,
            paced(_with_upgrades(wsgi, listener), lambda environ: environ["eventlet.input"].get_socket().pace),
            custom_pool=eventlet.GreenPool(requests),
            log_output=False,
            debug=False,
            socket_timeout=60,
            keepalive=IDLE_SECONDS,
        )
        listener.open(listening, wsgi, accepted.put)
        asked = eventlet.event.Event()
        # A plain signal handler would raise inside whatever the hub runs and break it ("Already running!").
        for number in stop_signals():
            self.loop.add_signal_handler(number, lambda: asked.ready() or asked.send(None))
        ready(listening.getsockname()[1])
        asked.wait()
        listener.close()
        # SystemExit is what makes wsgi.server leave its accept loop in peace.
        eventlet.greenthread.kill(server, SystemExit())
        drain()


class _Greenlets:
    """Greenlets that wait for the next function; a new one for each would cost two or three times as much."""

    def __init__(self) -> None:
        self._hub = eventlet.hubs.get_hub()
        self._idle: list[greenlet] = []

    def run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """From the loop at once, from a greenlet soon: whoever calls must not be left waiting behind another."""
        if getcurrent() is not self._hub.greenlet:
            self._hub.loop.call_soon(self.run, function, args)
            return
        worker = self._idle.pop() if self._idle else greenlet(self._work, self._hub.greenlet)
        worker.switch(function, args)

    def _work(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        me = getcurrent()
        while True:
            try:
                function(*args)
            except (Exception, eventlet.Timeout):  # nobody waits for it who could be told
                log.exception("a background function failed")
            if len(self._idle) >= IDLE_GREENLETS:
                return
            self._idle.append(me)
            function, args = self._hub.greenlet.switch()


class _Beat:
    """Greenlets that wait for the next beat together: a timer, and a turn of the loop, for all of them."""

    def __init__(self) -> None:
        self._hub = eventlet.hubs.get_hub()
        self._waiting: dict[greenlet, None] = {}
        self._woken: dict[greenlet, None] = {}  # whose beat has come

    def wait(self) -> None:
        """Until the next beat."""
        me = getcurrent()
        if not self._waiting:
            self._hub.loop.call_later(BEAT_SECONDS, self._wake)
        self._waiting[me] = None
        try:
            self._hub.switch()
        finally:  # also where it was killed: a switch that comes later would hit whatever it does then
            self._waiting.pop(me, None)
            self._woken.pop(me, None)

    def _wake(self) -> None:
        self._woken, self._waiting = self._waiting, {}
        while self._woken:
            each, _ = self._woken.popitem()
            each.switch()


class _Accepted:
    """What eventlet's server takes for its listening socket: accepts what the listener passes on."""

    def __init__(self, listening: socket.socket) -> None:
        self.family, self.getsockname, self.close = listening.family, listening.getsockname, listening.close
        self._waiting = eventlet.queue.LightQueue()

    def put(self, sock: socket.socket, address: Any, pace: Pace) -> None:
        """Have this connection served."""
        self._waiting.put((_Paced(sock, pace), address))

    def accept(self) -> Any:
        """The next connection and its peer's address; waits."""
        return self._waiting.get()


class _Paced(eventlet.greenio.GreenSocket):  # type: ignore[misc]  # eventlet ships no types
    """A socket on which a client has its time to send."""

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        super().__init__(sock)
        self.pace = pace
        pace.belongs_to(sock)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """What eventlet's server reads with, through makefile()."""
        return self.pace.receive_into(self, super().recv_into, buffer, nbytes, flags)

    def close(self) -> None:
        """As any other."""
        self.pace.closed()
        super().close()


def _with_upgrades(wsgi: Any, listener: Listener) -> Any:
    """The application, but a websocket upgrade on a connection that was kept alive goes to the listener."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
            return wsgi(environ, start_response)
        # Taken out of eventlet's hands, which shuts its socket down when this request is over.
        number = environ["eventlet.input"].get_socket().fd.detach()
        eventlet.wsgi.WSGI_LOCAL.already_handled = True
        listener.adopt(eventlet.patcher.original("socket").socket(fileno=number), environ)
        return []

    return application


def _wait_readable(fd: int, seconds: float) -> bool:
    """Wait on the loop itself: 100 us less CPU than a green socket, whose timer wakes the hub twice for each wait."""
    hub, waiter = eventlet.hubs.get_hub(), getcurrent()
    timer = hub.loop.call_later(seconds, waiter.switch, False)
    hub.loop.add_reader(fd, waiter.switch, True)
    try:
        return bool(hub.switch())
    finally:  # also where the waiter was killed: a switch that comes later would hit whatever it does then
        timer.cancel()
        hub.loop.remove_reader(fd)


def _share_memory() -> None:
    """One arena for all real threads: glibc gives each of the pool's 20 one of its own, and keeps what was freed there.

    Measured after 12,000 jobs: 122 MB instead of 152.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library has no mallopt
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


class _Watch:
    """The loop notes the time every 20 ms; a real thread looks at its stack for as long as the note is old.

    By the loop's timers: each of eventlet's costs three or four turns of the loop, which is most of what an idle process
    would use.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Callable[[float, list[list[Step]]], None]) -> None:
        self._loop, self._report = loop, report
        self.noted = time.monotonic()
        self.stacks: list[list[Step]] = []

    def beat(self) -> None:
        """Look at the clock, and do so again soon."""
        self.noted = time.monotonic()
        self._loop.call_later(LAG_EVERY, self._look_back)

    def _look_back(self) -> None:
        """Report by how much the loop called us too late."""
        late = time.monotonic() - self.noted - LAG_EVERY
        stacks, self.stacks = self.stacks, []
        try:
            self._report(max(late, 0.0), stacks if late > LAG_CULPRIT else [])
        except Exception:  # a mistake of ours must not end the watch
            log.exception("the lag of the loop could not be reported")
        self.beat()

    def look(self, hub_thread: int) -> None:
        """Keep the stacks of the hub's thread while it does not note the time."""
        sleep = eventlet.patcher.original("time").sleep
        while True:
            sleep(LAG_EVERY)
            if time.monotonic() - self.noted > LAG_EVERY + LOOK_AFTER and len(self.stacks) < MAX_STACKS:
                frame = sys._current_frames().get(hub_thread)
                self.stacks.append([(step.f_code, step.f_lineno) for step in _outermost_first(frame)])


def _outermost_first(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while isinstance(
        frame, FrameType
    ):  # greenlets switch meanwhile: once, under load, a dict stood where a frame belongs
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]
