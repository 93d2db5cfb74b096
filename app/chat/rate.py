"""How fast somebody may send: a bucket for each connection or sender, and a larger one for each address."""

from __future__ import annotations

from app.payload import Refused
from app.rate import ADDRESS, Buckets


class Rates:
    """The buckets of everybody."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._buckets, self.addresses = Buckets(), Buckets()

    @property
    def of_address(self) -> float | None:
        """What an address may send a second: many may share it."""
        return self._rate * ADDRESS if self._rate is not None else None

    def check(self, name: str, address: str | None) -> None:
        """Count one event of this connection, or person, at this address; raises Refused(rate_limited) with `retry_after`."""
        if self._rate is None:
            return
        # What one connection sends past its rate is not taken from others at its address, such as a proxy's.
        wait = self._buckets.wait(name, self._rate)
        if not wait and address is not None:
            wait = self.addresses.wait(address, self.of_address or self._rate)
        if wait:
            raise Refused("rate_limited", f"more than {self._rate:g} events a second", retry_after=wait)

    def forget(self, name: str) -> None:
        """This connection is gone."""
        self._buckets.forget(name)
