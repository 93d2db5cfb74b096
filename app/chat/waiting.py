"""How long people lately waited until somebody answered: the waiting time a newcomer is told."""

from __future__ import annotations

from collections import deque
from statistics import median

REMEMBERED = 50  # answers the estimate rests on


class Waiting:
    """Watches who writes in which room, and measures from a question to the first answer by somebody else."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, float]] = {}  # room -> who waits there, since when
        self._waits: deque[float] = deque(maxlen=REMEMBERED)

    def wrote(self, room: str, sender: str, at: float) -> None:
        """Take note of one user message (`at` in seconds since 1970)."""
        asker, since = self._open.get(room, (sender, at))
        if asker != sender:
            self._waits.append(max(at - since, 0.0))
            del self._open[room]
        else:
            self._open[room] = (asker, since)

    def seconds(self) -> int:
        """The median of the last answers in whole seconds, at least 1; 0 while nothing is known."""
        return max(round(median(self._waits)), 1) if self._waits else 0
