"""Handing over what is due."""

from __future__ import annotations

import queue
import time

import pytest

from app.dispatch.clock import Clock
from app.jobs.job import Job
from tests.guest import WAIT


def job(name: str) -> Job:
    """A job by this name."""
    return Job(id=name, room="r", task="t", args="{}", path="simple", attempts=1, at=0, deadline=0)


def test_jobs_are_handed_over_when_due_in_the_order_of_time() -> None:
    handed: queue.Queue[tuple[str, float]] = queue.Queue()
    clock = Clock(lambda job: handed.put((job.id, time.time())))
    begin = time.time()
    clock.at(begin + 0.3, job("third"))
    clock.at(begin + 0.2, job("second"))
    clock.at(0.0, job("first"))
    came = [handed.get(timeout=WAIT) for _ in range(3)]
    assert [name for name, _ in came] == ["first", "second", "third"]
    assert all(at >= begin + due for (_, at), due in zip(came, (0.0, 0.2, 0.3), strict=True))


def test_jobs_due_at_the_same_instant_keep_their_order() -> None:
    handed: queue.Queue[str] = queue.Queue()
    clock = Clock(lambda job: handed.put(job.id))
    due = time.time() + 0.1
    for number in range(50):
        clock.at(due, job(str(number)))
    assert [handed.get(timeout=WAIT) for _ in range(50)] == [str(number) for number in range(50)]


def test_a_later_job_does_not_hold_up_an_earlier_one_that_comes_after() -> None:
    handed: queue.Queue[str] = queue.Queue()
    clock = Clock(lambda job: handed.put(job.id))
    clock.at(time.time() + 3600, job("tomorrow"))
    clock.at(time.time(), job("now"))
    assert handed.get(timeout=WAIT) == "now"
    assert handed.empty()


def test_a_clock_that_is_set_back_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: queue.Queue[str] = queue.Queue()
    clock = Clock(lambda job: handed.put(job.id))
    now = time.time()
    clock.at(now + 0.5, job("soon"))
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    clock.at(now - 3600 + 0.1, job("sooner"))
    assert [handed.get(timeout=WAIT) for _ in range(2)] == ["sooner", "soon"]
