"""Websockets that are not, or not yet, a client's transport."""

from __future__ import annotations

import asyncio
from typing import Protocol

from app.transport.frames import TEXT, pack
from app.transport.websocket import WebSocket

UPGRADE_SECONDS = 10.0  # for the three packets of an upgrade


class Upgrading(Protocol):
    """A client that polls and wants to move."""

    def upgrade_ready(self) -> None:
        """The websocket works."""

    def upgrade_done(self, websocket: WebSocket) -> None:
        """The client moved to it."""

    def upgrade_lost(self) -> None:
        """It came to nothing."""


class Probe:
    """A websocket that a polling client tries: `2probe`, `3probe`, `5`. When it is lost, the client polls on."""

    def __init__(self, client: Upgrading, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._timer = loop.call_later(UPGRADE_SECONDS, self._give_up)
        self.websocket: WebSocket | None = None  # set as soon as its handshake is answered
        self.ready = False

    def message(self, opcode: int, payload: bytes) -> None:
        """As Receiver."""
        if opcode == TEXT and self.websocket and payload == b"2probe" and not self.ready:
            self.ready = True
            self.websocket.write(pack(b"3probe"))
            self._client.upgrade_ready()
        elif opcode == TEXT and self.websocket and payload[:1] == b"5" and self.ready:
            self._timer.cancel()
            self._client.upgrade_done(self.websocket)
        else:
            self._give_up()

    def lost(self, reason: str) -> None:
        """As Receiver."""
        self._timer.cancel()
        self._client.upgrade_lost()

    def end(self) -> None:
        """The client is gone."""
        self._timer.cancel()
        if self.websocket:
            self.websocket.close()

    def _give_up(self) -> None:
        self.end()
        self._client.upgrade_lost()


class Stray:
    """Nobody: the receiver of a websocket that is closed at once."""

    def message(self, opcode: int, payload: bytes) -> None:
        """As Receiver."""

    def lost(self, reason: str) -> None:
        """As Receiver."""
