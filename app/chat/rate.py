"""How fast somebody may send: a token bucket for each connection and a larger one for each address."""

from __future__ import annotations

import time

from app.chat.clients import Client
from app.payload import Refused

BURST = 2.0  # times the rate
ADDRESS = 10.0  # times what one connection may do
KEPT = 100_000  # buckets remembered


class Bucket:
    """Fills at `rate` a second up to `size`; empty means wait."""

    def __init__(self, rate: float) -> None:
        self.rate, self.size = rate, rate * BURST
        self.left, self.at = self.size, time.monotonic()

    def take(self) -> float:
        """Take one; returns 0, or the seconds until there is one."""
        now = time.monotonic()
        self.left = min(self.size, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / self.rate
        self.left -= 1
        return 0.0


class Rates:
    """The buckets of everybody."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._buckets: dict[str, Bucket] = {}

    def check(self, client: Client) -> None:
        """Count one event; raises Refused(rate_limited) with `retry_after`."""
        if self._rate is None:
            return
        # What one connection sends past its rate is not taken from others at its address, such as a proxy's.
        wait = self._bucket(client.sid, self._rate).take() or self._bucket(client.address, self._rate * ADDRESS).take()
        if wait:
            wait = max(0.001, round(wait, 3))
            raise Refused("rate_limited", f"more than {self._rate:g} events a second", retry_after=wait)

    def forget(self, sid: str) -> None:
        """A connection is gone."""
        self._buckets.pop(sid, None)

    def _bucket(self, name: str, rate: float) -> Bucket:
        if name not in self._buckets:
            if len(self._buckets) >= KEPT:
                self._buckets.pop(next(iter(self._buckets)))  # the oldest; it had time to fill up again
            self._buckets[name] = Bucket(rate)
        return self._buckets[name]
