"""States between accepted and final are shown of jobs that take a while, and of no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from app.jobs.announcer import QUICK_SECONDS, Announcer
from app.jobs.job import Job
from tests.own_loop import OwnLoop


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    made = OwnLoop()
    yield made
    made.close()


@pytest.fixture
def shown() -> list[list[int]]:
    return []


@pytest.fixture
def announcer(own: OwnLoop, shown: list[list[int]]) -> Announcer:
    return Announcer(own.loop, lambda jobs: shown.append([job.n for job in jobs]))


def job(n: int) -> Job:
    """Accepted just now."""
    return Job(n=n, id=str(n), room="r", task="t", args="{}", path="simple", attempts=1, at=0.0, deadline=0.0)


def pass_time(own: OwnLoop, seconds: float = QUICK_SECONDS * 1.1) -> None:
    """The clock goes on, and what is due is done."""
    own.clock.ahead += seconds
    own.rounds(2)


def test_slow_jobs_are_shown_together_and_quick_ones_not_at_all(
    own: OwnLoop, announcer: Announcer, shown: list[list[int]]
) -> None:
    slow, quick, parked, last = (job(n) for n in range(1, 5))
    for each in (slow, quick, parked, last):
        announcer.watch(each)
    quick.delivered, parked.parked = True, True

    pass_time(own)

    assert shown == [[1, 4]]
    assert [announcer.is_known(each) for each in (slow, quick, parked, last)] == [True, False, False, True]


def test_a_job_that_is_known_is_not_shown_again_until_it_is_forgotten(
    own: OwnLoop, announcer: Announcer, shown: list[list[int]]
) -> None:
    known = job(1)
    assert announcer.is_known(known, from_now_on=True)
    announcer.watch(known)
    pass_time(own)
    assert shown == []

    announcer.forget(known)

    assert not announcer.is_known(known)


def test_it_goes_on_looking_after_it_had_nothing_to_do(
    own: OwnLoop, announcer: Announcer, shown: list[list[int]]
) -> None:
    for n in (1, 2):
        announcer.watch(job(n))
        pass_time(own)
        pass_time(own)
    assert shown == [[1], [2]]


def test_a_job_that_is_being_written_is_shown_once_it_is_as_in_the_ledger(own: OwnLoop) -> None:
    waiting: list[Callable[[], None]] = []
    shown: list[list[Job]] = []
    announcer = Announcer(own.loop, shown.append, waiting.append)
    announcer.watch(job(1))
    pass_time(own)
    assert (len(waiting), shown) == (1, [])

    waiting.pop()()

    assert len(shown) == 1
