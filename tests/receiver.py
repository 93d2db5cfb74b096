"""An HTTP server on loopback that is called back: it keeps what it is sent, and answers as a test says."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import trustme

from tests.guest import WAIT


@dataclass(frozen=True)
class Call:
    """One POST."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes calls; `answer` says with which status, and may wait before it does."""

    def __init__(
        self,
        answer: Callable[[Call], int] = lambda call: 204,
        certificate: trustme.LeafCert | None = None,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.calls: list[Call] = []
        self.answer = answer
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.calls.append(call)
                self.send_response(receiver.answer(call))
                self.send_header("Location", f"http://{address}:{receiver.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_port
        self.url = f"{'https' if certificate else 'http'}://{address}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, enough: Callable[[list[Call]], Any]) -> Any:
        """What `enough` makes of the calls so far, as soon as that is true."""
        until = time.monotonic() + WAIT
        while not (done := enough(self.calls)):
            assert time.monotonic() < until, f"waited in vain; called {self.calls}"
            time.sleep(0.01)
        return done

    def called(self, job: str, times: int = 1) -> Call:
        """The so manieth call about this job; waits for it."""
        about: list[Call] = self.wait(
            lambda calls: (
                found if len(found := [c for c in calls if c.headers["spillway-job"] == job]) >= times else None
            )
        )
        return about[times - 1]
