"""How fast somebody may send: a bucket for each connection or sender, and a larger one for each address."""

from __future__ import annotations

from app.payload import Refused
from app.rate import Buckets

BURST = 2.0  # times the rate
ADDRESS = 10.0  # times what one connection may do


class Rates:
    """The buckets of everybody."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._buckets = Buckets()

    def check(self, name: str, address: str | None) -> None:
        """Count one event of this connection, or person, at this address; raises Refused(rate_limited) with `retry_after`."""
        if self._rate is None:
            return
        # What one connection sends past its rate is not taken from others at its address, such as a proxy's.
        wait = self._wait(name, self._rate)
        if not wait and address is not None:
            wait = self._wait(address, self._rate * ADDRESS)
        if wait:
            wait = max(0.001, round(wait, 3))
            raise Refused("rate_limited", f"more than {self._rate:g} events a second", retry_after=wait)

    def forget(self, name: str) -> None:
        """This connection is gone."""
        self._buckets.forget(name)

    def _wait(self, name: str, rate: float) -> float:
        return self._buckets.of(name, rate, rate * BURST).take()
