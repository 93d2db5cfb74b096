"""How much somebody may do in a time: buckets that fill up again."""

from __future__ import annotations

import time

BURST = 2.0  # seconds' worth that may come at once
ADDRESS = 10.0  # times what one connection may do, for an address: many may share it
KEPT = 100_000  # buckets remembered


class Bucket:
    """Fills at `rate` a second up to `size`; what is not in it must be waited for."""

    def __init__(self, rate: float, size: float) -> None:
        self.rate, self.size = rate, size
        self.left, self.at = size, time.monotonic()

    def take(self, amount: float = 1.0) -> float:
        """Take so much; returns 0, or the seconds until there is as much."""
        now = time.monotonic()
        self.left = min(self.size, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < amount:
            return (amount - self.left) / self.rate
        self.left -= amount
        return 0.0


class Buckets:
    """One for each name; the oldest is forgotten where there are too many, having had time to fill up again."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self.spent: dict[str, float] | None = None  # by name, since it was last told; None: nobody is to be told

    def of(self, name: str, rate: float, size: float) -> Bucket:
        """The bucket of this name."""
        if name not in self._buckets:
            if len(self._buckets) >= KEPT:
                self._buckets.pop(next(iter(self._buckets)))
            self._buckets[name] = Bucket(rate, size)
        return self._buckets[name]

    def wait(self, name: str, rate: float) -> float:
        """Count one thing that this name does; returns 0, or for how many seconds it must wait first."""
        wait = self.of(name, rate, rate * BURST).take()
        if self.spent is not None and not wait:
            self.spent[name] = self.spent.get(name, 0.0) + 1.0
        return max(0.001, round(wait, 3)) if wait else 0.0

    def news(self) -> dict[str, float]:
        """What was spent since this was last asked."""
        spent, self.spent = self.spent or {}, {}
        return spent

    def take_elsewhere(self, name: str, amount: float, rate: float) -> None:
        """So much was spent in this name at another process: it may leave a debt, of at most what fits in."""
        bucket = self.of(name, rate, rate * BURST)
        bucket.left = max(bucket.left - amount, -bucket.size)

    def forget(self, name: str) -> None:
        """Nobody will ask for it any more."""
        self._buckets.pop(name, None)
