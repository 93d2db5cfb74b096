"""Emitting to clients from a program that is no web process, such as a script: it sends, and hears nothing."""

from __future__ import annotations

import json
from asyncio import AbstractEventLoop
from collections import deque
from typing import Any

import msgspec
import socketio

from app.backplane.backplane import EVERYBODY, Bus

SOCKETIO = "socketio"  # the kind of frames that python-socketio's manager sends
MAX_WAITING = 1000  # emitted while the broker is away; past that the oldest are dropped, and counted

_encode = msgspec.msgpack.Encoder().encode


class Outside(socketio.PubSubManager):  # type: ignore[misc]  # ships no types
    """python-socketio's write-only manager: `emit("news", {...}, room="ward")` from any thread."""

    def __init__(self, bus: Bus, loop: AbstractEventLoop) -> None:
        """`loop` runs in another thread, on which the bus is connected."""
        super().__init__(write_only=True)
        self._bus, self._loop = bus, loop
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self.dropped = 0
        bus.on_connect = self._send_waiting

    async def connect(self) -> None:
        """Connect, for as long as it takes; what is emitted until then waits."""
        await self._bus.connect({})

    def _publish(self, data: Any) -> None:
        self._loop.call_soon_threadsafe(self._send, json.dumps(data).encode())

    def _send(self, message: bytes) -> None:
        if self._bus.connected:
            self._bus.publish(EVERYBODY, _encode((self.host_id, 0, [[SOCKETIO, message]])))
            return
        self.dropped += len(self._waiting) == MAX_WAITING
        self._waiting.append(message)

    def _send_waiting(self) -> None:
        while self._waiting:
            self._send(self._waiting.popleft())
