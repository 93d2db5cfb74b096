"""How many jobs run at once in the web process."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.dispatch import places
from app.dispatch.places import LOOK_EVERY, Places


class World:
    """Time, and how late chat is."""

    def __init__(self) -> None:
        self.now, self.late = 0.0, 0.0

    def monotonic(self) -> float:
        """A clock that moves on by one look each time it is read."""
        self.now += LOOK_EVERY * 1.01
        return self.now


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(places, "time", world)
    return world


def test_places_grow_one_by_one_to_the_limit_while_nobody_notices(world: World) -> None:
    line = Places(64, lambda: world.late)
    seen = [line.allowed() for _ in range(100)]
    assert seen[-1] == 64
    assert max(after - before for before, after in pairwise(seen)) == 1


def test_places_shrink_fast_and_never_below_one(world: World) -> None:
    line = Places(64, lambda: world.late)
    for _ in range(100):
        line.allowed()
    world.late = 1.0
    seen = [line.allowed() for _ in range(20)]
    assert seen[0] < 50
    assert seen[-1] == 1
    world.late = 0.0
    assert line.allowed() == 2


def test_the_limit_is_the_limit(world: World) -> None:
    line = Places(3, lambda: world.late)
    assert {line.allowed() for _ in range(50)} == {3}
