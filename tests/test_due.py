"""What is to be done at a time is done then, in order, whatever somebody does to the wall clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.due import JUMP_SECONDS, LOOK_SECONDS, Due
from tests.own_loop import OwnLoop


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    made = OwnLoop()
    yield made
    made.close()


def pass_time(own: OwnLoop, seconds: float) -> None:
    """The loop's clock goes on, and what is due is done."""
    own.clock.ahead += seconds
    own.rounds(3)


def test_nothing_is_done_before_its_time_and_all_of_it_after(own: OwnLoop) -> None:
    due, done, now = Due(own.loop), list[str](), time.time()
    due.at(now + 30, done.append, "third")
    due.at(now + 10, done.append, "first")
    due.at(now + 20, done.append, "second")

    pass_time(own, 9)
    assert done == []
    pass_time(own, 2)
    assert done == ["first"]
    pass_time(own, 100)
    assert done == ["first", "second", "third"]


def test_what_is_past_is_done_at_once(own: OwnLoop) -> None:
    due, done = Due(own.loop), list[int]()
    due.at(time.time() - 100, done.append, 1)
    due.at(0.0, done.append, 2)
    own.rounds(3)
    assert done == [2, 1]


def test_what_is_cancelled_is_not_done_and_leaves_nothing_behind(own: OwnLoop) -> None:
    due, done, now = Due(own.loop), list[int](), time.time()
    entries = [due.at(now + 10 + n / 1000, done.append, n) for n in range(5000)]
    for entry in entries[:4999]:
        due.cancel(entry)
    assert len(due._heap) < 2500
    pass_time(own, 100)
    assert done == [4999]
    assert due._heap == []


def test_one_that_fails_keeps_none_from_its_turn(own: OwnLoop) -> None:
    due, done = Due(own.loop), list[int]()
    due.at(0.0, [].pop)
    due.at(0.0, done.append, 1)
    own.rounds(3)
    assert done == [1]


def test_what_is_done_may_ask_for_more(own: OwnLoop) -> None:
    due, done = Due(own.loop), list[int]()

    def again(n: int) -> None:
        done.append(n)
        if n < 3:
            due.at(0.0, again, n + 1)

    due.at(0.0, again, 1)
    own.until(lambda: len(done) == 3)
    assert done == [1, 2, 3]


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=40))
def test_the_order_is_that_of_the_times(times: list[tuple[int, bool]]) -> None:
    own = OwnLoop()
    due, done, now = Due(own.loop), list[tuple[int, int]](), time.time()
    entries = [due.at(now + at, done.append, (at, n)) for n, (at, _) in enumerate(times)]
    for entry, (_, cancelled) in zip(entries, times, strict=True):
        if cancelled:
            due.cancel(entry)
    pass_time(own, 60)
    own.close()
    assert [at for at, _ in done] == sorted(at for at, cancelled in times if not cancelled)


def test_a_wall_clock_that_is_set_is_noticed_and_moves_nothing_that_was_asked_before(own: OwnLoop) -> None:
    due, done, jumps = Due(own.loop), list[int](), list[float]()
    due.on_jump = jumps.append
    real, hour = time.time, 3600.0
    due.at(real() + 10, done.append, 1)

    def ahead() -> float:
        return real() + own.clock.ahead + hour

    with mock.patch("time.time", ahead):
        pass_time(own, LOOK_SECONDS * 1.1)
        assert done == []
        assert [round(jump) for jump in jumps] == [hour]
        due.at(ahead() + 20, done.append, 2)
        pass_time(own, 10)
        assert done == [1]
        pass_time(own, 12)
        assert done == [1, 2]
    assert len(jumps) == 1


def test_clocks_that_drift_a_little_have_not_been_set(own: OwnLoop) -> None:
    due, jumps = Due(own.loop), list[float]()
    due.on_jump = jumps.append
    real = time.time

    def drifting() -> float:
        return real() + own.clock.ahead + JUMP_SECONDS / 2

    with mock.patch("time.time", drifting):
        pass_time(own, LOOK_SECONDS * 1.1)
    assert jumps == []
