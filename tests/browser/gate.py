"""A model server that a test opens and closes."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Gate:
    """A model server that refuses everything, or lets it wait, until it is opened; from then on the real one answers."""

    def __init__(self, models: str) -> None:
        self.open = False
        self.lets_wait = False
        self._opened = Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if gate.lets_wait:
                    gate._opened.wait()
                status, answer = gate._answer(f"{models}{self.path}", body) if gate.open else (404, b"{}")
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def release(self) -> None:
        """Open it, and answer those who wait."""
        self.open = True
        self._opened.set()

    def _answer(self, url: str, body: bytes) -> tuple[int, bytes]:
        asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
