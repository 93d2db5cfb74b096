"""How fast somebody may send: a bucket for each connection and a larger one for each address."""

from __future__ import annotations

from app.chat.clients import Client
from app.payload import Refused
from app.rate import ADDRESS, Buckets


class Rates:
    """The buckets of everybody."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._buckets = Buckets()

    def check(self, client: Client) -> None:
        """Count one event; raises Refused(rate_limited) with `retry_after`."""
        if self._rate is None:
            return
        # What one connection sends past its rate is not taken from others at its address, such as a proxy's.
        wait = self._buckets.wait(client.sid, self._rate) or self._buckets.wait(client.address, self._rate * ADDRESS)
        if wait:
            raise Refused("rate_limited", f"more than {self._rate:g} events a second", retry_after=wait)

    def forget(self, sid: str) -> None:
        """A connection is gone."""
        self._buckets.forget(sid)
