"""The flag is asked for each attempt, and what it says is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from app.contract import WorkerDoing
from app.jobs.job import Job
from app.paths import auto
from app.paths.auto import STAY_SECONDS, Auto
from app.paths.gate import Gate, Pass
from app.paths.routing import Routing
from tests.paths.conftest import NewJob


class Path:
    """A runner that keeps what it is given."""

    limit = 10
    depth: tuple[int, int] | None = None

    reconnects = 0

    def __init__(self) -> None:
        self.busy, self.slots, self.there = 0, 1, True
        self.given: list[Job] = []
        self.told: list[Job] = []
        self.running: dict[int, Job] = {}
        self.ended: Callable[[Job, int], None] = lambda job, attempt: None
        self.is_paused: Callable[[str], bool] = lambda task: False

    def fill(self) -> None:
        """Nothing waits."""

    def drop(self, tasks: Iterable[str]) -> list[Job]:
        """Nothing waits."""
        return []

    async def newest_places(self) -> list[tuple[int, int]]:
        """There is no stream."""
        return []

    async def purge(self, tasks: Iterable[str], places: list[tuple[int, int]]) -> bool:
        """There is no stream."""
        return True

    def reserve(self, task: str) -> bool:
        """While there are slots."""
        self.slots -= 1
        return self.slots >= 0

    def release(self, task: str) -> None:
        """One more."""
        self.slots += 1

    def submit(self, job: Job) -> None:
        """Kept."""
        self.given.append(job)

    def backlog(self) -> int:
        """What a test says."""
        return self.busy

    def inflight(self) -> int:
        """What a test says."""
        return self.busy

    def cancelled(self, job: Job) -> None:
        """Kept."""
        self.told.append(job)

    def ready(self) -> bool:
        """What a test says."""
        return self.there

    def workers(self) -> list[WorkerDoing]:
        """None."""
        return []

    def take(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        """There is one process."""

    async def call_back(self, subject: str, headers: dict[str, str], body: bytes) -> str | None:
        """Taken."""
        return None

    async def close(self, seconds: float) -> None:
        """Nothing to close."""


class Clock:
    """A clock that tests move."""

    now = 1000.0

    def monotonic(self) -> float:
        """As in the standard library."""
        return self.now


def no_gate(pass_on: Pass) -> Gate:
    """A gate that nothing is held at."""
    return Gate(asyncio.new_event_loop(), {}, lambda task: False, pass_on)


class Site:
    """Both paths, a flag, and the routing between them."""

    def __init__(self, queue: bool = True) -> None:
        self.flag, self.opened = "simple", 0
        self.simple, self.queued = Path(), Path()
        choice = Auto(self.simple)
        self.routing = Routing(
            lambda task, room: self.flag, self.simple, choice, 5, self.open if queue else None, no_gate
        )

    def open(self) -> Path:
        """The queue is wanted."""
        self.opened += 1
        return self.queued


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(auto, "time", clock)
    return clock


def test_the_queue_is_opened_when_the_first_job_wants_it_and_once(site: Site, new_job: NewJob) -> None:
    site.routing.submit(new_job())
    assert site.opened == 0
    for _ in range(2):
        site.routing.submit(new_job(path="queued"))
    assert (site.opened, len(site.simple.given), len(site.queued.given)) == (1, 1, 2)


def test_without_a_queue_everything_is_simple(new_job: NewJob) -> None:
    site = Site(queue=False)
    for site.flag in ("simple", "queued", "auto"):
        assert site.routing.choose("echo", "lobby") == "simple"
    site.routing.submit(new_job(path="queued"))
    assert len(site.simple.given) == 1


def test_what_is_final_already_is_left_alone(site: Site, new_job: NewJob) -> None:
    site.routing.submit(new_job(state="cancelled"))
    assert site.simple.given == []


def test_slots_are_those_of_the_simple_path(site: Site, new_job: NewJob) -> None:
    assert not site.routing.reserve(new_job(path="queued"))
    assert site.simple.slots == 1
    job = new_job()
    assert site.routing.reserve(job)
    assert not site.routing.reserve(new_job())
    site.routing.release(job)
    assert site.simple.slots == 0


def test_a_path_is_full_by_its_own_backlog(site: Site) -> None:
    site.simple.busy = 5
    assert site.routing.is_full("echo", "lobby")
    site.flag = "queued"
    assert not site.routing.is_full("echo", "lobby")
    site.routing.open_queue()
    site.queued.busy = 5
    assert site.routing.is_full("echo", "lobby")


def test_whoever_may_run_a_job_hears_that_it_is_cancelled(site: Site, new_job: NewJob) -> None:
    site.routing.cancelled(new_job(path="queued"))  # nobody has it
    site.routing.open_queue()
    here, there = new_job(), new_job(path="queued")
    site.routing.cancelled(here)
    site.routing.cancelled(there)
    assert (site.simple.told, site.queued.told) == ([here], [there])


def test_only_auto_lets_a_job_fall_back(site: Site, new_job: NewJob) -> None:
    for site.flag, expected in (("simple", False), ("queued", False), ("auto", True)):
        assert site.routing.may_fall_back(new_job()) is expected


def test_auto_is_simple_until_the_limit_is_reached(site: Site, clock: Clock) -> None:
    site.flag = "auto"
    for site.simple.busy in (0, 5, 9):
        assert site.routing.choose("echo", "lobby") == "simple"
    site.simple.busy = 10
    assert site.routing.choose("echo", "lobby") == "queued"


def test_auto_stays_on_the_queue_for_ten_seconds_at_least(site: Site, clock: Clock) -> None:
    choice = Auto(site.simple)
    site.simple.busy = 10
    choice.choose(True)
    site.simple.busy = 0
    clock.now += STAY_SECONDS - 0.1
    assert choice.choose(True) == "queued"
    clock.now += 0.2
    assert choice.choose(True) == "simple"


def test_auto_turns_back_only_below_half(site: Site, clock: Clock) -> None:
    choice = Auto(site.simple)
    site.simple.busy = 10
    choice.choose(True)
    clock.now += STAY_SECONDS * 10
    site.simple.busy = 5
    assert choice.choose(True) == "queued"
    site.simple.busy = 4
    assert choice.choose(True) == "simple"
    site.simple.busy = 9
    assert choice.choose(True) == "simple"


def test_while_the_broker_is_away_auto_is_simple(site: Site, clock: Clock) -> None:
    site.flag, site.simple.busy = "auto", 10
    site.routing.open_queue()
    site.queued.there = False
    assert site.routing.choose("echo", "lobby") == "simple"
    site.queued.there = True
    assert site.routing.choose("echo", "lobby") == "queued"
