"""The packets of one client, handled in order, even behind a handler that blocks."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from app.concurrency import Concurrency
from app.transport.packets import Incoming

MAX_WAITING = 256  # packets behind a handler that blocks, before the client is made to wait
MAX_WAITING_BYTES = 1 << 20


class Reader(Protocol):
    """Whose packets they are."""

    def take(self, packet: Incoming) -> bool:
        """Handle on the loop what cannot block; False for what `handle` is to have."""

    def handle(self, packet: Incoming) -> None:
        """Handle where it may block; raises nothing."""

    def hold(self, full: bool) -> None:
        """Too many packets wait, or none does any more."""


class Inbox:
    """Called on the loop."""

    __slots__ = ("_concurrency", "_reader", "_size", "_waiting")

    def __init__(self, concurrency: Concurrency, reader: Reader) -> None:
        self._concurrency, self._reader = concurrency, reader
        self._size = 0  # bytes that wait
        self._waiting: deque[Incoming] | None = None  # there while a handler runs where it may block

    def receive(self, packet: Incoming) -> None:
        """Have this packet handled after all before it."""
        if self._waiting is not None:
            self._waiting.append(packet)
            self._size += len(packet)
            if len(self._waiting) > MAX_WAITING or self._size > MAX_WAITING_BYTES:
                self._reader.hold(True)
        elif not self._reader.take(packet):
            self._waiting = deque()
            self._concurrency.start(self._work, packet)

    def _work(self, packet: Incoming | None) -> None:
        while packet is not None:
            self._reader.handle(packet)
            packet = self._concurrency.call(self._next)

    def _next(self) -> Incoming | None:
        while self._waiting:
            packet = self._waiting.popleft()
            self._size -= len(packet)
            if not self._reader.take(packet):
                return packet
        self._waiting = None
        self._reader.hold(False)
        return None
