"""Kept connections to one server, and one HTTP exchange over one of them.

The only home of httptools, which parses answers. Nothing here knows threads from green threads: sockets come from the
standard library, patched or not, and a connection belongs to one call at a time.
"""

import contextlib
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property

import httptools

from ml_clients.deadline import seconds_until
from ml_clients.stop import in_use

MAX_ANSWER_BYTES = 64 * 1024 * 1024
# Head, chunk headers and trailers: this much, and 8 bytes for each byte of the body (a chunk of one byte has 5).
MAX_FRAMING_BYTES = 64 * 1024
FRAMING_BYTES_PER_BODY_BYTE = 8
# More than any process makes model calls at once; what is given back beyond it is closed.
MAX_IDLE_CONNECTIONS = 256
# An idle connection is closed when the next call ends after it was last used this long ago.
MAX_IDLE_SECONDS = 60.0
RECEIVE_BYTES = 64 * 1024
# Each block is sent against what is left of the deadline. A body up to this size travels with its head.
SEND_BYTES = 64 * 1024

# How to wait for the first byte of an answer; None: as the socket does. See transport.configure.
wait_readable: Callable[[int, float], bool] | None = None
# Waits a moment between two reads of an answer that streams, so that what comes meanwhile is read at once; None: reads
# as it comes. See transport.configure.
pause: Callable[[], None] | None = None


class Disconnected(ConnectionError):
    """The server closed the connection before a byte of the answer came."""


class NotHttp(Exception):
    """What the server sent is no answer in HTTP, or a larger one than we take."""


class Answer:
    """One answer as it is parsed: its `status`, its `body`, and the Retry-After header where there is one."""

    def __init__(self) -> None:
        self.complete = False
        self.status = 0
        self.retry_after: str | None = None
        self.has_begun = False  # status and headers are there
        self.reusable = False  # whether the connection can carry another exchange
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._received_bytes = 0
        self._until_close = False  # neither a length nor chunks: the body ends where the connection does
        self._has_length = False
        self._parser = httptools.HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def receive(self, sock: socket.socket, ends_at: float) -> None:
        """Read from the socket until the answer is complete.

        Raises TimeoutError at the deadline, Disconnected where nothing came, ConnectionError where the answer was cut
        off, NotHttp.
        """
        try:
            _await_first_byte(sock, ends_at)
            while not self.complete:
                sock.settimeout(seconds_until(ends_at))
                self._feed(self._next_bytes(sock))
        finally:
            del self._parser  # it refers to us: without this each answer would wait for the garbage collector

    def receive_some(self, sock: socket.socket, ends_at: float) -> bytes:
        """What comes next of the body, and nothing of it kept; empty at its end, or when its headers have come.

        Raises as `receive`.
        """
        if self.complete:
            return b""
        self._feed(self._bytes_as_they_come(sock, ends_at))
        some = self.body
        self._chunks.clear()
        return some

    def _bytes_as_they_come(self, sock: socket.socket, ends_at: float) -> bytes:
        if wait_readable is None or isinstance(sock, ssl.SSLSocket):
            sock.settimeout(seconds_until(ends_at))
            return self._next_bytes(sock)
        while True:
            try:  # first: to be told that there is something costs more than to look
                return self._next_bytes(sock)
            except BlockingIOError:
                _await_first_byte(sock, ends_at)

    def _next_bytes(self, sock: socket.socket) -> bytes:
        try:
            data = sock.recv(RECEIVE_BYTES)
        except ConnectionError as error:
            if not self._received_bytes:
                raise Disconnected(str(error)) from error
            raise
        if not data and not self._received_bytes:
            raise Disconnected("the server closed the connection without an answer")
        return data

    def _feed(self, data: bytes) -> None:
        if not data:
            if not self._until_close:
                raise ConnectionError("the server closed the connection in the middle of its answer")
            self._complete(reusable=False)
            return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.reusable = False
            if not self.complete:  # else it is what follows the answer that cannot be read
                raise NotHttp(f"answered no HTTP: {error}") from error
        self._check_size()

    def _check_size(self) -> None:
        if self._body_bytes > MAX_ANSWER_BYTES:
            raise NotHttp(f"answered more than {MAX_ANSWER_BYTES} bytes")
        framing = self._received_bytes - self._body_bytes
        if framing > MAX_FRAMING_BYTES + RECEIVE_BYTES + FRAMING_BYTES_PER_BODY_BYTE * self._body_bytes:
            raise NotHttp(f"answered no HTTP: {framing} bytes of headers and a body of {self._body_bytes}")

    def _complete(self, reusable: bool) -> None:
        self.complete = True
        self.status = self._parser.get_status_code()
        self.reusable = reusable

    # What httptools calls

    def on_message_begin(self) -> None:
        if self.complete:
            self.reusable = False  # nobody asked for a second answer

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"retry-after":
            self.retry_after = value.decode("latin-1")
        elif name in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self._until_close = not self._has_length
        self.has_begun = self._parser.get_status_code() >= 200
        if self.has_begun:
            self.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._chunks.append(data)
            self._body_bytes += len(data)

    def on_message_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:  # the answer itself is still to come
            self._has_length = self._until_close = False
            return
        self._complete(reusable=self._parser.should_keep_alive())


class Flow:
    """An answer that is read as it comes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.answer = Answer()
        self._has_read = False
        if wait_readable is not None and not isinstance(sock, ssl.SSLSocket):
            sock.setblocking(False)

    def begin(self, ends_at: float) -> None:
        """Wait for status and headers; what came of the body with them is read next."""
        self._early = b""
        while not (self.answer.has_begun or self.answer.complete):
            self._early += self.answer.receive_some(self._sock, ends_at)

    def read(self, ends_at: float) -> bytes:
        """The next bytes of the body; empty at its end."""
        early, self._early = self._early, b""
        if early:
            return early
        if pause is not None and self._has_read:
            pause()
        self._has_read = True
        while not self.answer.complete:
            some = self.answer.receive_some(self._sock, ends_at)
            if some:
                return some
        return b""


class Connections:
    """The connections to one server: as many as are asked for at once, kept for the next calls."""

    def __init__(self, host: str, port: int, tls: bool, authority: str) -> None:
        """`authority` is what the Host header says: the host, and the port where it is not the usual one."""
        self.host = host
        self.port = port
        self._tls = tls
        self._headers = f"HTTP/1.1\r\nHost: {authority}\r\nAccept-Encoding: identity\r\nUser-Agent: spillway\r\n"
        self._idle: deque[tuple[float, socket.socket]] = deque()  # the one used last at the right
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, method: str, target: str, content_type: str, body: bytes, ends_at: float) -> Answer:
        """The server's answer to one request.

        Raises TimeoutError at the deadline, another OSError when the server cannot be reached or goes away, NotHttp.
        """
        head = self._head(method, target, content_type, body)
        kept = self._take()
        if kept is not None:
            try:
                return self._over(kept, head, body, ends_at)
            except Disconnected:
                # The server closed an idle connection just as we used it. Sending again is safe: a model call changes
                # nothing on the server. The other idle ones are older, so they are most likely closed as well.
                _close_all(self._idle)
        return self._over(self._connect(ends_at), head, body, ends_at)

    @contextlib.contextmanager
    def stream(self, target: str, body: bytes, ends_at: float, headers: str = "") -> Iterator["Flow"]:
        """POST a question in JSON, and read the answer as it comes. Raises as `exchange`, here and while it is read.

        The connection is a new one, and closed afterwards: servers were seen to lose requests on one that had streamed.
        """
        head = self._head("POST", target, "application/json", body, f"Connection: close\r\n{headers}")
        sock = self._connect(ends_at)
        try:
            with in_use(sock):
                _send(sock, head, body, ends_at)
                yield Flow(sock)
        finally:
            sock.close()

    def _head(self, method: str, target: str, content_type: str, body: bytes, more: str = "") -> bytes:
        lines = f"{method} {target} {self._headers}{more}Content-Type: {content_type}\r\n"
        return f"{lines}Content-Length: {len(body)}\r\n\r\n".encode("ascii")

    def _over(self, sock: socket.socket, head: bytes, body: bytes, ends_at: float) -> Answer:
        answer = Answer()
        try:
            with in_use(sock):
                sent = _send(sock, head, body, ends_at)
                answer.receive(sock, ends_at)
        except BaseException:  # also a green thread that is killed: half an answer must not be left to the next call
            sock.close()
            raise
        if sent and answer.reusable:
            self._keep(sock)
        else:
            sock.close()
        return answer

    def _take(self) -> socket.socket | None:
        """The idle connection that was used last, if it is open and silent."""
        try:
            _, sock = self._idle.pop()
        except IndexError:
            return None
        if _is_silent(sock):
            return sock
        sock.close()
        _close_all(self._idle)
        return None

    def _keep(self, sock: socket.socket) -> None:
        now = time.monotonic()
        self._idle.append((now, sock))
        # Another thread may take the last one between the look and the pop.
        with contextlib.suppress(IndexError):
            while len(self._idle) > MAX_IDLE_CONNECTIONS or self._idle[0][0] < now - MAX_IDLE_SECONDS:
                self._idle.popleft()[1].close()

    def _connect(self, ends_at: float) -> socket.socket:
        failed: OSError = OSError(f"no address for {self.host}")
        seconds_until(ends_at)  # a call past its deadline asks nobody, not even for an address
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(seconds_until(ends_at))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._secured(sock, ends_at)
            except OSError as error:
                sock.close()
                failed = error
            except BaseException:
                sock.close()
                raise
        raise failed

    def _secured(self, sock: socket.socket, ends_at: float) -> socket.socket:
        if not self._tls:
            return sock
        sock.settimeout(seconds_until(ends_at))
        return self._certificates.wrap_socket(sock, server_hostname=self.host)

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # 10 ms and more, so once


def _send(sock: socket.socket, head: bytes, body: bytes, ends_at: float) -> bool:
    """Whether the server took all of it. Where it did not, it may have answered before it stopped reading."""
    try:
        if len(body) <= SEND_BYTES:
            _send_all(sock, head + body, ends_at)
        else:
            _send_all(sock, head, ends_at)
            _send_all(sock, body, ends_at)
    except ConnectionError:
        return False
    return True


def _send_all(sock: socket.socket, data: bytes, ends_at: float) -> None:
    # Not sendall: on a green socket its timeout starts anew with each part that is sent.
    sock.settimeout(seconds_until(ends_at))
    sent = sock.send(data[:SEND_BYTES])
    if sent == len(data):
        return
    rest = memoryview(data)[sent:]
    while rest:
        sock.settimeout(seconds_until(ends_at))
        rest = rest[sock.send(rest[:SEND_BYTES]) :]


def _await_first_byte(sock: socket.socket, ends_at: float) -> None:
    if wait_readable is None or isinstance(sock, ssl.SSLSocket):  # TLS may hold bytes that the descriptor no longer has
        return
    if not wait_readable(sock.fileno(), seconds_until(ends_at)):
        raise TimeoutError("the server did not answer before the deadline of the call")


def _is_silent(sock: socket.socket) -> bool:
    """Whether nothing has come over an idle connection: neither its end nor bytes nobody asked for."""
    sock.setblocking(False)  # not settimeout(0): a green TLS socket would wait for ever
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        sock.setblocking(True)
        return True
    except OSError:
        return False
    return False


def _close_all(idle: deque[tuple[float, socket.socket]]) -> None:
    with contextlib.suppress(IndexError):
        while True:
            idle.pop()[1].close()
