"""The path auto: when it turns to the queue, and back."""

from __future__ import annotations

import pytest

from app.dispatch import auto
from app.dispatch.auto import STAY, Auto


class Load:
    """A simple path that is as busy as a test says."""

    limit = 10

    def __init__(self) -> None:
        self.busy, self.now, self.broker = 0, 1000.0, True

    def inflight(self) -> int:
        """Jobs running or about to."""
        return self.busy

    def monotonic(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    load = Load()
    monkeypatch.setattr(auto, "time", load)
    return load


@pytest.fixture
def choice(load: Load) -> Auto:
    return Auto(load, lambda: load.broker)


def test_it_is_simple_until_the_limit_is_reached(load: Load, choice: Auto) -> None:
    for load.busy in (0, 5, 9):
        assert choice.choose() == "simple"
    load.busy = 10
    assert choice.choose() == "queued"


def test_it_stays_on_the_queue_for_ten_seconds_at_least(load: Load, choice: Auto) -> None:
    load.busy = 10
    choice.choose()
    load.busy = 0
    load.now += STAY - 0.1
    assert choice.choose() == "queued"
    load.now += 0.2
    assert choice.choose() == "simple"


def test_it_turns_back_only_below_half(load: Load, choice: Auto) -> None:
    load.busy = 10
    choice.choose()
    load.now += STAY * 10
    load.busy = 5
    assert choice.choose() == "queued"
    load.busy = 4
    assert choice.choose() == "simple"
    load.busy = 9
    assert choice.choose() == "simple"


def test_without_a_broker_there_is_only_simple(load: Load, choice: Auto) -> None:
    load.busy, load.broker = 10, False
    assert choice.choose() == "simple"
    load.broker = True
    assert choice.choose() == "queued"
