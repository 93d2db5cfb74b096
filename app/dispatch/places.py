"""How many jobs may run at once in the web process: MAX_INFLIGHT, and fewer while people would notice."""

from __future__ import annotations

import time
from collections.abc import Callable

LATE = 0.002  # seconds a chat write or the hub may take longer than it must before jobs step back
LOOK_EVERY = 0.01  # seconds between two corrections
FEWER, MORE = 0.7, 1.0  # factor when late, places added when not


class Places:
    """Additive increase, multiplicative decrease, as TCP shares a line (Chiu and Jain, 1989).

    Quick models need few places to be kept busy, and each job in a place is one more thing the hub has to turn to.
    Slow ones leave the hub alone, and soon have all places.
    """

    def __init__(self, limit: int, late: Callable[[], float]) -> None:
        self.limit = limit
        self._late = late
        self._allowed = float(min(limit, 8))
        self._looked = 0.0

    def allowed(self) -> int:
        """Places there are at this moment; at least one."""
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            late = self._late() > LATE
            self._allowed = max(1.0, self._allowed * FEWER) if late else min(float(self.limit), self._allowed + MORE)
        return int(self._allowed)
