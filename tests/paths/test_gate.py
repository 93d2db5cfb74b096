"""What may start when: not while it is paused, within its limits, in turn; and one slow task starves no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.contract import Outcome
from app.jobs.job import Job
from app.paths.background import Background
from app.paths.gate import Gate
from app.paths.turns import Turns
from app.tasks import task
from tests.own_loop import OwnLoop
from tests.paths.conftest import NewJob


@task(max_inflight=2)
def narrow() -> dict[str, str]:
    """Two at once"""
    return {}


@task(rate=4)
def paced() -> dict[str, str]:
    """Four a second"""
    return {}


@task
def free() -> dict[str, str]:
    """As many as there are"""
    return {}


class World:
    """A gate, who is paused, and what has passed."""

    def __init__(self, own: OwnLoop) -> None:
        self.own, self.paused, self.passed = own, set[str](), list[Job]()
        tasks = {"narrow": narrow, "paced": paced, "free": free}
        self.gate = Gate(own.loop, tasks, lambda name: name in self.paused, self.passed.append)

    def go_on(self, name: str) -> None:
        """This task is paused no longer."""
        self.paused.discard(name)
        self.gate.open(name)

    def pass_time(self, seconds: float) -> None:
        """The clock goes on, and timers are called."""
        self.own.clock.ahead += seconds
        self.own.rounds(2)


@pytest.fixture
def world() -> Iterator[World]:
    own = OwnLoop()
    yield World(own)
    own.close()


def put(world: World, new_job: NewJob, name: str, count: int, **more: object) -> list[Job]:
    jobs = [new_job(task=name, **more) for _ in range(count)]
    for job in jobs:
        world.gate.put(job)
    return jobs


def test_a_task_without_limits_passes_at_once_and_its_attempts_are_not_counted(world: World, new_job: NewJob) -> None:
    jobs = put(world, new_job, "free", 3)
    assert world.passed == jobs
    assert world.gate.enter(new_job(task="free"))
    assert world.gate.held() == 0


def test_what_is_paused_is_held_in_order_and_passes_when_it_goes_on(world: World, new_job: NewJob) -> None:
    world.paused.add("free")
    jobs = put(world, new_job, "free", 3)
    assert world.passed == []
    assert (world.gate.held("free"), world.gate.held("narrow"), world.gate.holds(jobs[0])) == (3, 0, True)
    assert not world.gate.enter(new_job(task="free"))
    world.go_on("free")
    assert world.passed == jobs
    assert world.gate.held() == 0


def test_no_more_than_max_inflight_are_under_way_and_each_end_lets_the_next_pass(world: World, new_job: NewJob) -> None:
    jobs = put(world, new_job, "narrow", 4)
    assert world.passed == jobs[:2]
    assert not world.gate.enter(new_job(task="narrow"))
    world.gate.over(jobs[0])
    assert world.passed == jobs[:3]
    world.gate.over(jobs[0])  # told twice, as when it is cancelled and ends
    assert world.passed == jobs[:3]
    world.gate.over(jobs[1], attempt=2)  # the end of another attempt
    assert world.passed == jobs[:3]


def test_starts_are_as_far_apart_as_the_rate_has_it(world: World, new_job: NewJob) -> None:
    jobs = put(world, new_job, "paced", 4)
    seen = []
    for _ in range(8):
        for job in world.passed:
            world.gate.begun(job)
        seen.append(len(world.passed))
        world.pass_time(0.125)
    assert world.passed == jobs
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4]


def test_a_time_without_starts_is_not_made_up_for(world: World, new_job: NewJob) -> None:
    put(world, new_job, "paced", 1)
    world.gate.begun(world.passed[0])
    world.pass_time(60)
    put(world, new_job, "paced", 3)
    assert len(world.passed) == 2


def test_what_has_not_begun_holds_the_next_back_so_that_they_do_not_all_start_at_once(
    world: World, new_job: NewJob
) -> None:
    """As when no worker is there: what was published meanwhile would start together when one comes."""
    put(world, new_job, "paced", 5)
    world.pass_time(10)
    assert len(world.passed) == 1
    world.gate.begun(world.passed[0])
    assert len(world.passed) == 2


def test_what_was_asked_for_goes_before_what_starts_by_itself(world: World, new_job: NewJob) -> None:
    world.paused.add("free")
    by_themselves = put(world, new_job, "free", 2)
    asked = put(world, new_job, "free", 2, key="k")
    world.go_on("free")
    assert world.passed == [*asked, *by_themselves]


def test_what_was_cancelled_or_moved_on_does_not_pass_and_takes_nothing(world: World, new_job: NewJob) -> None:
    jobs = put(world, new_job, "narrow", 6)
    jobs[2].state, jobs[3].attempt = "cancelled", 2
    world.gate.over(jobs[0])
    world.gate.over(jobs[1])
    assert world.passed == [*jobs[:2], *jobs[4:]]


def test_after_closing_nothing_passes(world: World, new_job: NewJob) -> None:
    world.gate.close()
    put(world, new_job, "narrow", 1)
    assert world.passed == []


def test_tasks_take_turns(new_job: NewJob) -> None:
    turns = Turns()
    for name in ("a", "a", "a", "b", "b", "c"):
        turns.put(new_job(task=name))
    taken = []
    while (job := turns.next(lambda name: True)) is not None:
        taken.append(job.task)
    assert taken == ["a", "b", "c", "a", "b", "a"]
    assert len(turns) == turns.count("simple") == 0


def test_one_slow_task_leaves_slots_to_the_others(new_job: NewJob) -> None:
    """Its attempts never end here, and there are many more of them than slots."""
    running: list[str] = []
    background = Background(
        lambda run, job, attempt: running.append(job.task),
        lambda call, *args: call(*args),
        lambda job: Outcome(state="x"),
        16,
    )

    def begin(job: Job) -> None:
        job.state = "running"
        background.submit(job)

    background.begin = begin
    for _ in range(100):
        background.submit(new_job(task="slow"))
    for _ in range(2):
        background.submit(new_job(task="quick"))
    assert (running.count("slow"), running.count("quick")) == (14, 2)
    assert background.reserve("quick") is False


def test_a_paused_task_keeps_its_place_on_the_simple_path(new_job: NewJob) -> None:
    running: list[str] = []
    background = Background(
        lambda run, job, attempt: running.append(job.task),
        lambda call, *args: call(*args),
        lambda job: Outcome(state="x"),
        1,
    )
    background.begin = lambda job: running.append(job.id)
    paused = {"slow"}
    background.is_paused = lambda name: name in paused
    jobs = [new_job(task="slow"), new_job(task="quick")]
    for job in jobs:
        background.submit(job)
    assert running == [jobs[1].id]
    paused.clear()
    background.release("quick")
    assert running == [jobs[1].id, jobs[0].id]


def test_what_was_cancelled_while_its_task_is_paused_counts_no_more(world: World, new_job: NewJob) -> None:
    world.paused.add("free")
    jobs = put(world, new_job, "free", 2500)
    for job in jobs[:2400]:
        job.state = "cancelled"
        world.gate.over(job)
    assert world.gate.held("free") == 100
    world.go_on("free")
    assert world.passed == jobs[2400:]


def test_an_attempt_that_ended_late_leaves_the_next_one_waiting(world: World, new_job: NewJob) -> None:
    world.paused.add("free")
    (job,) = put(world, new_job, "free", 1)
    world.gate.over(job, attempt=0)
    world.go_on("free")
    assert world.passed == [job]
