"""What an address uses up of its rate at one process counts at all: limits by address are those of the whole."""

from __future__ import annotations

from typing import NamedTuple

from app.backplane.backplane import Backplane
from app.rate import Buckets


class Limit(NamedTuple):
    """Buckets of addresses, which fill at this rate."""

    buckets: Buckets
    rate: float


class Spending:
    """Tells the others what was spent here, with each beat, and takes it from their buckets what they tell. On the loop."""

    def __init__(self, backplane: Backplane) -> None:
        self._backplane = backplane
        self._limits: dict[str, Limit] = {}
        backplane.handle("spent", self._take)

    def share(self, what: str, buckets: Buckets, rate: float | None) -> None:
        """Share these buckets, where there is a limit at all."""
        if rate is not None:
            buckets.spent = {}
            self._limits[what] = Limit(buckets, rate)

    def tell(self) -> None:
        """To be called every now and then."""
        for what, limit in self._limits.items():
            spent = limit.buckets.news()
            if spent:
                self._backplane.tell("spent", what, spent)

    def _take(self, _: str, what: str, spent: dict[str, float]) -> None:
        limit = self._limits.get(what)
        if limit is not None:
            for name, amount in spent.items():
                limit.buckets.take_elsewhere(name, amount, limit.rate)
