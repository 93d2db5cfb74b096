"""Somebody in need is not kept waiting by a model that is stuck on what another person wrote."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.faults.parts import Broker
from tests.guest import WAIT, Guest
from tests.lossless.evidence import job, ready, until
from tests.lossless.worker import Worker
from tests.web import Web

STUCK = "Can I move my appointment? (stuck)"


@pytest.fixture
def models(ml_url: str) -> Iterator[str]:
    """The real model server behind a front that is busy with one text for good."""

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = 503, b'{"error":"busy"}'
            if b"stuck" not in body:
                kind = {"Content-Type": self.headers["Content-Type"]}
                answer = requests.post(ml_url + self.path, data=body, headers=kind, timeout=WAIT)
                status, content = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Not into the output of tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", [pytest.param("simple", marks=pytest.mark.slow), "queued"])
def test_an_emergency_is_answered_while_the_triage_before_it_is_stuck(
    copy: Path, tmp_path: Path, broker: Broker, models: str, guests: Callable[..., Guest], path: str
) -> None:
    settings = {"NATS_URL": f"nats://127.0.0.1:{broker.port}", "ML_URL": models}
    with (
        Web(tmp_path / "data", root=copy, DEFAULT_PATH=path, **settings) as web,
        Worker(copy, tmp_path / "worker.log", **settings) as worker,
    ):
        worker.ready()
        until(lambda: path == "simple" or ready(web.url), "the queue is connected")
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        ann.say("lobby", STUCK)
        stuck = ann.saw("job:update", task="triage", state="retrying")
        ann.say("lobby", "I have crushing chest pain and cannot breathe")
        ann.saw("message:new", kind="ml")
        assert job(web.url, stuck["id"])["state"] not in ("succeeded", "failed")
