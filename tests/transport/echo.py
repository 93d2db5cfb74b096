"""Bare websockets that send back what comes, for suites that test RFC 6455 alone: python -m tests.transport.echo"""

from __future__ import annotations

from typing import Any

from app.concurrency import patch
from app.transport.frames import pack
from app.transport.handshake import UPGRADE
from app.transport.listener import Listener
from app.transport.pending import Pending
from app.transport.websocket import Output, WebSocket

concurrency = patch("eventlet")
output = Output(concurrency.loop, 64 << 20)


class Echo:
    """Sends every message back."""

    def __init__(self) -> None:
        self.websocket: WebSocket | None = None

    def message(self, opcode: int, payload: bytes) -> None:
        """As Receiver."""
        if self.websocket:
            self.websocket.write(pack(payload, opcode))

    def lost(self, reason: str) -> None:
        """As Receiver."""


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Open every websocket."""
    echo = Echo()
    echo.websocket = environ[UPGRADE].accept(output, 16 << 20, echo)
    return []


concurrency.serve(
    application,
    Listener(concurrency.loop, "/", 10.0, Pending(concurrency.loop, 10_000)),
    "127.0.0.1",
    0,
    10,
    lambda port: print(f"port {port}", flush=True),
    lambda: None,
)
