"""Connections whose clients are still to say something: so many of one address, and no more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Any

import structlog

log = structlog.get_logger()

CONNECTING_SECONDS = 5.0  # for a request head, or a connect: when a thousand come back at once, each has its time
SENDING_SECONDS = 1.0  # for what takes one of the places in which requests are served


class Pending:
    """All of them, by address."""

    def __init__(self, loop: asyncio.AbstractEventLoop, per_address: int) -> None:
        self._loop, self._per_address, self._lock = loop, per_address, threading.Lock()
        self._of: dict[str, OrderedDict[Unfinished, float]] = {}
        self._looking: set[str] = set()  # addresses that are looked at again in a moment

    def of(self, address: str, close: Callable[[], Any]) -> Unfinished:
        """A connection that begins now; `close` closes it, from any thread."""
        unfinished = Unfinished(self, address, close)
        unfinished.begin()
        return unfinished

    def add(self, one: Unfinished) -> None:
        """Count it; where that is one too many, the oldest that had its time is closed. From any thread."""
        with self._lock:
            theirs = self._of.setdefault(one.address, OrderedDict())
            theirs[one] = time.monotonic()
            crowded = len(theirs) > self._per_address and one.address not in self._looking
            if crowded:
                self._looking.add(one.address)
        if crowded:
            self._loop.call_soon_threadsafe(self._make_room, one.address)

    def remove(self, one: Unfinished) -> None:
        """Count it no more. From any thread."""
        with self._lock:
            theirs = self._of.get(one.address)
            if theirs is not None and theirs.pop(one, None) is not None and not theirs:
                del self._of[one.address]

    def _make_room(self, address: str) -> None:
        """Close those that had their time, oldest first, and look again while there are too many."""
        too_long, crowded = self._too_long(address)
        for one in too_long:
            one.close()
        if too_long:
            log.info("connections that said nothing made room for others", address=address, closed=len(too_long))
        if crowded:
            self._loop.call_later(SENDING_SECONDS / 4, self._make_room, address)

    def _too_long(self, address: str) -> tuple[list[Unfinished], bool]:
        now = time.monotonic()
        with self._lock:
            theirs = self._of.get(address, OrderedDict())
            excess = max(0, len(theirs) - self._per_address)
            # The oldest of them all, or those a few places behind: who came late has not had its time.
            oldest = islice(theirs.items(), excess + self._per_address)
            found = [one for one, since in oldest if now - since >= one.seconds][:excess]
            for one in found:
                del theirs[one]
            crowded = len(found) < excess
            if not crowded:
                self._looking.discard(address)
            return found, crowded


class Unfinished:
    """One of them, as app.concurrency.paced has it."""

    __slots__ = ("_pending", "address", "close", "seconds")

    def __init__(self, pending: Pending, address: str, close: Callable[[], Any]) -> None:
        self._pending, self.address, self.close, self.seconds = pending, address, close, CONNECTING_SECONDS

    def begin(self) -> None:
        """Its client is to send something."""
        self._pending.add(self)

    def done(self) -> None:
        """It has; or the connection is closed."""
        self._pending.remove(self)
