"""What one model call costs the process that makes it: `python -m tests.ml_clients.calls`.

Prints microseconds of CPU a call (time.process_time, median and range of 3 runs of 1,000 calls, one after the other) on
threads, on green threads, and on those of the web process: of our clients, of http.client and urllib3 as they come, and
of a bare socket. The server is another process that answers 200 with a small JSON body after 1 ms: an answer that is
there at once would cost green threads no wait, which no model does.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from app.concurrency import patch

CALLS = 1_000
RUNS = 3
WAIT: list[Any] = []  # how the web process waits, when this is one
ANSWERS_AFTER_SECONDS = 0.001
QUESTION = json.dumps({"text": "hello there, how are you?"}).encode()
BODY = b'{"language": "en", "confidence": 0.9}'
HEADERS = {"Content-Type": "application/json"}
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: x\r\nDate: Tue, 24 Nov 2026 21:58:10 GMT\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):  # the question is whole
            write = self._transport.write  # type: ignore[attr-defined]
            asyncio.get_running_loop().call_later(ANSWERS_AFTER_SECONDS, write, ANSWER)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def bare_socket(port: int) -> Callable[[], object]:
    import socket

    sock = socket.create_connection(("127.0.0.1", port))
    request = b"POST /v1/language HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(QUESTION), QUESTION)

    def call() -> None:
        sock.settimeout(10)
        sock.send(request)
        sock.settimeout(10)
        sock.recv(65536)

    return call


def http_client(port: int) -> Callable[[], object]:
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=10)

    def call() -> None:
        connection.request("POST", "/v1/language", QUESTION, HEADERS)
        json.loads(connection.getresponse().read())

    return call


def urllib3_pool(port: int) -> Callable[[], object]:
    import urllib3

    pool = urllib3.HTTPConnectionPool("127.0.0.1", port)
    return lambda: json.loads(pool.urlopen("POST", "/v1/language", QUESTION, HEADERS, timeout=10).data)


def ours(port: int) -> Callable[[], object]:
    import ml_clients
    from ml_clients import language

    ml_clients.configure(f"http://127.0.0.1:{port}", WAIT[0] if WAIT else None)

    def call() -> None:
        with ml_clients.within(10):
            language.detect("hello there, how are you?")

    return call


WAYS = {"bare socket": bare_socket, "ours": ours, "http.client": http_client, "urllib3": urllib3_pool}


def measure(mode: str, port: int) -> None:
    if mode == "green threads":
        os.environ["EVENTLET_HUB"] = "asyncio"  # as app/concurrency/green.py has it
        warnings.simplefilter("ignore")
        import eventlet

        eventlet.monkey_patch()
    elif mode == "web process":
        WAIT.append(patch("eventlet").wait_readable)
    for name, way in WAYS.items():
        call = way(port)
        costs = sorted(microseconds(call) for _ in range(RUNS))
        print(f"{mode:14} {name:12} {costs[RUNS // 2]:4.0f} us ({costs[0]:.0f}-{costs[-1]:.0f})", flush=True)


def microseconds(call: Callable[[], object]) -> float:
    for _ in range(100):
        call()
    before = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - before) / CALLS * 1e6


def main() -> None:
    command = [sys.executable, "-m", "tests.ml_clients.calls"]
    with subprocess.Popen([*command, "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        for mode in ("threads", "green threads", "web process"):
            subprocess.run([*command, mode, port], check=True)
        server.terminate()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    elif sys.argv[1:]:
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        main()
