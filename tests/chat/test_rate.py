"""How fast somebody may send."""

from __future__ import annotations

import pytest

from app import rate
from app.chat.rate import Rates
from app.payload import Refused


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """As in the standard library."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(rate, "time", time)
    return time


def client(sid: str, address: str = "10.0.0.1") -> tuple[str, str]:
    """One connection."""
    return sid, address


def burst(rates: Rates, who: tuple[str, str]) -> int:
    """How many events are taken until one is refused."""
    for taken in range(100_000):
        try:
            rates.check(*who)
        except Refused:
            return taken
    raise AssertionError("nothing is refused")


def test_a_burst_is_twice_the_rate_and_then_it_is_the_rate(clock: Time) -> None:
    rates = Rates(5)
    assert burst(rates, client("a")) == 10
    clock.now += 1
    assert burst(rates, client("a")) == 5
    clock.now += 1000
    assert burst(rates, client("a")) == 10


def test_a_refusal_says_when_to_try_again(clock: Time) -> None:
    rates = Rates(5)
    burst(rates, client("a"))
    with pytest.raises(Refused) as refused:
        rates.check(*client("a"))
    assert (refused.value.code, refused.value.retry_after) == ("rate_limited", 0.2)
    clock.now += 0.2
    rates.check(*client("a"))


def test_an_address_may_send_ten_times_as_much(clock: Time) -> None:
    rates = Rates(5)
    taken = sum(burst(rates, client(f"sid-{number}")) for number in range(20))
    assert taken == 100
    assert burst(rates, client("elsewhere", "10.0.0.2")) == 10


def test_off_is_off(clock: Time) -> None:
    rates = Rates(None)
    for _ in range(10_000):
        rates.check(*client("a"))


def test_the_memory_for_buckets_is_bounded(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "KEPT", 10)
    rates = Rates(5)
    for number in range(100):
        rates.check(*client(f"sid-{number}", f"10.0.0.{number}"))
    assert len(rates._buckets._buckets) <= 10


def test_what_one_sends_past_the_rate_is_not_taken_from_others_at_the_address(clock: Time) -> None:
    rates = Rates(5)
    for _ in range(1000):
        burst(rates, client("flood"))
    assert burst(rates, client("other")) == 10
