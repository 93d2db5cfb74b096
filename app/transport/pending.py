"""Connections whose clients are still to say something: so many of one address, and no more."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger()

GRACE_SECONDS = 1.0  # a thousand who come back at once are done sooner than this


class Pending:
    """All of them, by address; those who connect may be of any thread."""

    def __init__(self, per_address: int) -> None:
        self._per_address, self._lock = per_address, threading.Lock()
        self._of: dict[str, OrderedDict[Unfinished, float]] = {}

    def of(self, address: str, close: Callable[[], Any]) -> Unfinished:
        """A connection that begins now; `close` closes it, from any thread."""
        unfinished = Unfinished(self, address, close)
        unfinished.begin()
        return unfinished

    def add(self, one: Unfinished) -> None:
        """Count it; where that is one too many, the oldest that had its time is closed."""
        now, oldest = time.monotonic(), None
        with self._lock:
            theirs = self._of.setdefault(one.address, OrderedDict())
            theirs[one] = now
            if len(theirs) > self._per_address:
                oldest, since = next(iter(theirs.items()))
                if now - since < GRACE_SECONDS:
                    return
                del theirs[oldest]
        if oldest is not None:
            log.info("a connection that said nothing made room for another", address=one.address)
            oldest.close()

    def remove(self, one: Unfinished) -> None:
        """Count it no more."""
        with self._lock:
            theirs = self._of.get(one.address)
            if theirs is not None and theirs.pop(one, None) is not None and not theirs:
                del self._of[one.address]


class Unfinished:
    """One of them, as app.concurrency.paced has it."""

    __slots__ = ("_pending", "address", "close")

    def __init__(self, pending: Pending, address: str, close: Callable[[], Any]) -> None:
        self._pending, self.address, self.close = pending, address, close

    def begin(self) -> None:
        """Its client is to send something."""
        self._pending.add(self)

    def done(self) -> None:
        """It has; or the connection is closed."""
        self._pending.remove(self)
