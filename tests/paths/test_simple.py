"""The simple path: so many attempts at once, the others in the order in which they came; and the plain original."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app.contract import Outcome
from app.jobs.job import Job
from app.paths.background import Background
from app.paths.plain import Plain
from tests.paths.conftest import NewJob

FINE = Outcome(state="succeeded", result=b"{}")


class World:
    """Runs what is started when a test says so, and marks what has waited as running."""

    def __init__(self) -> None:
        self.started: list[tuple[Callable[..., None], Job, int]] = []
        self.settled: list[tuple[int, int, str]] = []

    def start(self, run: Callable[..., None], job: Job, attempt: int) -> None:
        """As `start_background_task`."""
        self.started.append((run, job, attempt))

    @staticmethod
    def soon(function: Callable[..., None], *args: Any) -> None:
        """This is the loop's thread."""
        function(*args)

    def settle(self, job: Job, attempt: int, outcome: Outcome) -> None:
        """As the life of jobs does."""
        self.settled.append((job.n, attempt, outcome.state))

    def end(self) -> None:
        """The oldest that runs ends."""
        run, job, attempt = self.started.pop(0)
        run(job, attempt)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def background(world: World) -> Background:
    """Two at once."""
    made = Background(world.start, world.soon, lambda job: FINE, 2)

    def begin(job: Job) -> None:
        job.state = "running"
        made.submit(job)

    made.begin, made.settle = begin, world.settle
    return made


def submit(background: Background, job: Job) -> Job:
    """As an acceptance does: with a slot, where one is free."""
    if background.reserve(job.task):
        job.state = "running"
    background.submit(job)
    return job


def test_as_many_run_as_there_are_slots_and_the_others_wait_in_order(
    background: Background, world: World, new_job: NewJob
) -> None:
    jobs = [submit(background, new_job()) for _ in range(4)]
    assert [job.n for _, job, _ in world.started] == [1, 2]
    assert (background.backlog(), background.inflight()) == (2, 4)

    for _ in jobs:
        world.end()

    assert world.settled == [(n, 1, "succeeded") for n in (1, 2, 3, 4)]
    assert (background.backlog(), background.inflight(), background.running) == (0, 0, {})


def test_nobody_overtakes_who_waits(background: Background, world: World, new_job: NewJob) -> None:
    for _ in range(3):
        submit(background, new_job())
    background._slots_taken -= 1  # free, and given to nobody yet

    assert not background.reserve("echo")


def test_a_slot_that_is_given_back_goes_to_the_next(background: Background, world: World, new_job: NewJob) -> None:
    assert background.reserve("echo")
    assert background.reserve("echo")
    background.submit(new_job())
    background.release("echo")
    assert [job.n for _, job, _ in world.started] == [1]


def test_what_was_cancelled_while_it_waited_is_passed_over(
    background: Background, world: World, new_job: NewJob
) -> None:
    jobs = [submit(background, new_job()) for _ in range(5)]
    jobs[2].state = "cancelled"
    jobs[3].attempt = 2
    world.end()
    assert [job.n for _, job, _ in world.started] == [2, 5]


def test_closing_waits_for_what_runs_and_starts_nothing_more(
    background: Background, world: World, new_job: NewJob
) -> None:
    async def close() -> list[Job]:
        closing = asyncio.create_task(background.close(20))
        await asyncio.sleep(0)
        while world.started:
            world.end()
        return await closing

    for _ in range(3):
        submit(background, new_job())

    assert asyncio.run(close()) == []
    assert [n for n, _, _ in world.settled] == [1, 2]
    assert not background.reserve("echo")


def test_closing_returns_what_did_not_end_in_time(background: Background, world: World, new_job: NewJob) -> None:
    slow = submit(background, new_job())
    assert asyncio.run(background.close(0.01)) == [slow]


def test_the_plain_original_starts_everything_and_loses_it(world: World, new_job: NewJob) -> None:
    plain = Plain(world.start, world.soon, lambda job: FINE)
    plain.settle = world.settle
    for _ in range(100):
        assert plain.reserve("echo")
        plain.submit(new_job(state="running"))
    assert (len(world.started), plain.backlog(), plain.inflight()) == (100, 0, 100)
    world.end()
    assert world.settled == [(1, 1, "succeeded")]
    assert asyncio.run(plain.close(0)) == []
