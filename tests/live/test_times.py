"""Times in bins: what is read from the counts lies next to what the sorted times say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.live.times import BINS, FIRST, PER_DOUBLING, bounds, place, quantile

LONGEST = bounds(BINS - 1)[0]
WIDTH = 2 ** (1 / PER_DOUBLING)
ROUNDING = 1 + 1e-9


def counted(seconds: list[float]) -> list[int]:
    """The counts of these times."""
    counts = [0] * BINS
    for each in seconds:
        counts[place(each)] += 1
    return counts


@given(st.lists(st.floats(0, LONGEST), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_in_the_bin_of_the_sorted_times(seconds: list[float], share: float) -> None:
    exact = sorted(seconds)[math.ceil(share * len(seconds)) - 1]
    found = quantile(counted(seconds), share)
    assert found is not None
    if exact <= FIRST:
        assert found <= FIRST * ROUNDING
    else:
        assert exact / WIDTH / ROUNDING <= found <= exact * WIDTH * ROUNDING


@given(st.floats(0, 1e6))
def test_a_time_is_within_the_bounds_of_its_bin(seconds: float) -> None:
    lower, upper = bounds(place(seconds))
    assert lower <= seconds * ROUNDING
    assert seconds <= upper * ROUNDING or place(seconds) == BINS - 1


def test_the_bins_follow_each_other_without_a_gap() -> None:
    assert all(bounds(bin)[1] == pytest.approx(bounds(bin + 1)[0]) for bin in range(BINS - 1))
    assert 15 * 60 < LONGEST < 20 * 60


def test_without_answers_there_is_no_time() -> None:
    assert quantile([0] * BINS, 0.5) is None


def test_what_is_longer_than_the_bins_reach_is_not_made_up() -> None:
    assert quantile(counted([1e9] * 10), 0.95) == LONGEST
