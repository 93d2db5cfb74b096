"""Times in bins: how many answers took about how long, in a fixed number of counts that can be added up.

A bin is 2**(1/4) times as wide as the one before it, so a quantile read from the counts and the one of the sorted times
lie in the same bin: they differ by less than 19 %. A sample of the times would need no bins, but its error would depend
on how many answers there were, and two samples cannot be added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

FIRST = 0.001  # seconds: the first bin ends here
PER_DOUBLING = 4
BINS = 82  # one up to FIRST, 80 up to 2**20 ms (17 minutes, beyond the usual deadline of 15), one for what is longer


def place(seconds: float) -> int:
    """The bin of this time."""
    if seconds <= FIRST:
        return 0
    return min(int(log2(seconds / FIRST) * PER_DOUBLING) + 1, BINS - 1)


def bounds(bin: int) -> tuple[float, float]:
    """From where to where a bin goes, in seconds; the last one has no end, so its beginning stands for both."""
    lower = FIRST * 2 ** ((bin - 1) / PER_DOUBLING) if bin else 0.0
    return lower, lower if bin == BINS - 1 else FIRST * 2 ** (bin / PER_DOUBLING)


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The time in seconds that this share of the answers did not exceed; None without answers."""
    rank = max(share * sum(counts), 1)
    before = 0
    for bin, count in enumerate(counts):
        if count and before + count >= rank:
            lower, upper = bounds(bin)
            return lower + (upper - lower) * (rank - before) / count
        before += count
    return None
