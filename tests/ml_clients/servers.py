"""Small real servers that behave badly on purpose."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import ml_clients
from ml_clients import llm
from ml_clients.transport import DEFAULT_URL

Handler = Callable[[socket.socket, int], None]


@contextmanager
def talking_to(handle: Handler) -> Iterator[list[int]]:
    """The clients talk to a server that hands each connection, with its number from 0, to `handle`.

    Gives the list of the numbers of the connections made so far.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(32) as threads:
        connections: list[socket.socket] = []
        numbers: list[int] = []
        ml_clients.configure(f"http://127.0.0.1:{listener.getsockname()[1]}")
        llm.configure(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "a-model", "a-key")
        threads.submit(_accept, listener, connections, numbers, lambda *args: threads.submit(_serve, handle, *args))
        try:
            yield numbers
        finally:
            ml_clients.configure(DEFAULT_URL)
            llm.configure("", "")
            # Wakes everything that waits for a client.
            for waiting in (listener, *connections):
                with suppress(OSError):
                    waiting.shutdown(socket.SHUT_RDWR)


def answering(*answers: bytes) -> Handler:
    """Answers one request after the other on a connection with these bytes, then closes it."""

    def handle(connection: socket.socket, number: int) -> None:
        for answer in answers:
            if not read_request(connection):
                return
            connection.sendall(answer)

    return handle


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP answer that keeps the connection open."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def read_request(connection: socket.socket) -> bytes:
    """One whole request; empty when the client closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        got = connection.recv(65536)
        if not got:
            return b""
        received += got
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < lengths[0]:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _accept(
    listener: socket.socket,
    connections: list[socket.socket],
    numbers: list[int],
    serve: Callable[[socket.socket, int], object],
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # shut down: the test is over
        numbers.append(len(connections))
        connections.append(connection)
        serve(connection, numbers[-1])


def _serve(handle: Handler, connection: socket.socket, number: int) -> None:
    with connection, suppress(OSError):  # a client may go away: some tests want it to
        handle(connection, number)
