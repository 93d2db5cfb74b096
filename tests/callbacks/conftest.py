"""A web process whose jobs are called back about, and that takes requests over a real nats-server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.broker import RealBroker
from tests.guest import WAIT
from tests.lossless.evidence import ready, until
from tests.web import Web

SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
SENDER = {"id": "ada", "name": "Ada"}


@dataclass(frozen=True)
class Running:
    """The process, and where it has one its broker, and what its subjects there begin with."""

    web: Web
    broker: RealBroker | None = None
    prefix: str = ""

    def ask(self, room: str, **more: Any) -> dict[str, Any]:
        """A job that is put off, so that a test says when it is over."""
        body = {"key": secrets.token_hex(8), "task": "language", "args": {"text": "x"}, "sender": SENDER, **more}
        answer = requests.post(f"{self.web.url}/api/rooms/{room}/jobs", json=body, timeout=WAIT)
        assert answer.status_code == 202, answer.text
        return dict(answer.json()["job"])

    def end(self, job: dict[str, Any]) -> None:
        """Make it final, by cancelling it."""
        answer = requests.delete(f"{self.web.url}/api/jobs/{job['id']}", timeout=WAIT)
        assert answer.status_code == 202, answer.text


def settings(**more: str) -> dict[str, Any]:
    """Those of callbacks to this machine."""
    return {"CALLBACK_HOSTS": "127.0.0.1,localhost", "CALLBACK_SECRET": SECRET, "RATE_LIMIT": "off", **more}


@pytest.fixture(scope="module", params=["eventlet", "threading"])
def running(
    request: pytest.FixtureRequest, broker: RealBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Both libraries in turn."""
    prefix = f"t{secrets.token_hex(4)}"
    more = {"NATS_URL": broker.url, "NATS_PREFIX": prefix, "NATS_INTAKE": "1", "NATS_CALLBACKS": "hooks.>"}
    with Web(tmp_path_factory.mktemp("web"), ASYNC_MODE=request.param, **settings(**more)) as web:
        until(lambda: ready(web.url), "it hears requests")
        yield Running(web, broker, prefix)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for a process of the test's own."""
    return tmp_path / "data"
