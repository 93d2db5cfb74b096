"""A paused task: its jobs are kept, on both paths; their deadlines stand still; and they go on, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from app.contract import Outcome, failure
from app.gauges import Gauges
from app.jobs import held_back, ledger
from app.jobs.job import Job
from app.tasks import Task, task
from tests.jobs.process import Guest, Process
from tests.own_loop import wall_clock_of

FINE = Outcome(state="succeeded", result=b'{"text": "x"}')


@task(deadline=100, lane="speech")
def recite(text: str) -> dict[str, str]:
    """Is asked for"""
    return {"text": text}


@task(deadline=100, max_inflight=1)
def whisper(text: str) -> dict[str, str]:
    """One at once"""
    return {"text": text}


TASKS: dict[str, Task] = {"recite": recite, "whisper": whisper}


class World:
    """One process after the other on one database and one broker, and their clock."""

    def __init__(self, start: Callable[..., Process], path: str) -> None:
        self._start, self.path, self.passed = start, path, 0.0
        self.process = self._begin()
        self.ann = self.process.guest("ann", "lobby")

    def _begin(self, **more: Any) -> Process:
        return self._start(TASKS, flag=lambda name, room: self.path, **more)

    def restart(self) -> None:
        """Killed, and another comes."""
        self.passed += self.process.own.clock.ahead
        self.process.kill()
        self.process = self._begin(broker=self.process.broker)
        self.ann = self.process.guest("ann", "lobby")
        self.process.turn()

    def ask(self, name: str = "recite") -> Job:
        """Ann asks for one; returns it as it is in the ledger."""
        before = self.process.all_jobs()
        self.process.ask(self.ann, "job:create", room="lobby", key=f"k{len(before)}", task=name, args={"text": "x"})
        self.process.turn()
        (job,) = [job for id, job in self.process.all_jobs().items() if id not in before]
        return job

    def put(self, name: str, **what: Any) -> None:
        """An operator sets something."""
        self.process.own.run(self.process.controls.put_task(name, what))

    def pause(self, name: str = "recite") -> None:
        """An operator pauses it, and it comes off the broker."""
        self.put(name, paused=True)
        self.turn()

    def resume(self, name: str = "recite") -> None:
        """An operator lets it go on."""
        self.put(name, paused=False)
        self.turn()

    def turn(self) -> None:
        """Everything that is due is done, in the next seconds as well."""
        for _ in range(3):
            self.process.turn()
            self.process.pass_time(1.1)
        self.process.turn()

    def started(self, job: Job) -> int:
        """How many attempts of it were handed to a path."""
        given = [id for id, _ in self.process.broker.attempts] + [each.id for each, _ in self.process.runs]
        return given.count(job.id)

    def finish(self, job: Job) -> None:
        """Its attempt succeeds."""
        if self.path == "simple":
            index = [each.id for each, _ in self.process.runs].index(job.id)
            self.process.end_run(index, FINE)
        else:
            self.process.result(job.id, 1, FINE)
        self.process.turn()


@pytest.fixture(params=["simple", "queued"])
def world(request: pytest.FixtureRequest, start: Callable[..., Process]) -> Iterator[World]:
    there: list[World] = []

    def ahead() -> float:
        return there[0].passed + there[0].process.own.clock.ahead if there else 0.0

    with wall_clock_of(ahead):
        there.append(World(start, request.param))
        yield there[0]


def states(guest: Guest, job: Job) -> list[str]:
    """What somebody saw of it."""
    return [data["state"] for event, data in guest.received if event == "job:update" and data["id"] == job.id]


def test_a_job_of_a_paused_task_is_accepted_and_starts_once_it_goes_on(world: World) -> None:
    world.pause()
    job = world.ask()
    assert (job.state, world.started(job)) == ("accepted", 0)
    world.resume()
    assert world.started(job) == 1
    world.finish(job)
    assert states(world.ann, job)[-1] == "succeeded"


def test_only_the_paused_task_waits_and_a_lane_is_all_of_its_tasks(world: World) -> None:
    world.process.own.run(world.process.controls.put_lane("speech", {"paused": True}))
    world.turn()
    job, other = world.ask(), world.ask("whisper")
    assert (world.started(job), world.started(other)) == (0, 1)
    world.process.own.run(world.process.controls.put_lane("speech", {"paused": False}))
    world.turn()
    assert world.started(job) == 1


def test_deadlines_stand_still_while_a_task_is_paused(world: World) -> None:
    world.pause()
    job = world.ask()
    world.process.pass_time(500)
    world.turn()
    assert world.process.stored(job.id).state == "accepted"
    world.resume()
    left = world.process.stored(job.id).deadline - job.deadline
    assert 500 <= left <= 510
    world.process.pass_time(80)
    world.finish(job)
    assert states(world.ann, job)[-1] == "succeeded"


def test_a_deadline_comes_after_the_pause_as_it_would_have_before(world: World) -> None:
    world.pause()
    job = world.ask()
    world.resume()
    world.process.pass_time(110)
    world.turn()
    assert world.process.stored(job.id).state == "failed"


def test_a_pause_outlives_the_process_and_so_do_its_jobs_and_deadlines(world: World) -> None:
    world.pause()
    job = world.ask()
    world.process.pass_time(500)
    world.restart()
    assert world.process.stored(job.id).state == "accepted"
    assert world.started(job) == 0
    world.process.pass_time(500)
    world.turn()
    world.resume()
    assert world.started(job) == 1
    assert world.process.stored(job.id).deadline > job.deadline + 900


def test_what_is_paused_is_held_back_and_no_job_that_waits_for_long(world: World) -> None:
    process = world.process
    gauges = Gauges(
        process.background, process.routing, process.metrics, cast("Any", process.wire), process.store,
        process.life.jobs, process.controls.all_paused,
    )  # fmt: skip
    before = world.ask()
    if world.path == "queued":
        process.life.park(before, 1, 1)
        process.turn()
    world.pause()
    world.ask()
    process.pass_time(500)
    process.own.run(gauges.look())
    held = 2 if world.path == "queued" else 1  # what runs here goes on
    assert (gauges.oldest, gauges.held_back) == (0.0, held)
    world.ask("whisper")
    waits = world.ask("whisper")
    process.pass_time(60)
    process.own.run(gauges.look())
    assert 60 <= gauges.oldest < 90
    assert waits.state == "accepted"
    world.resume()
    process.own.run(gauges.look())
    assert gauges.held_back == 0


def test_what_waits_for_a_limit_starts_as_soon_as_one_before_it_ends(world: World) -> None:
    jobs = [world.ask("whisper") for _ in range(3)]
    for at, job in enumerate(jobs):
        assert [world.started(each) for each in jobs[at + 1 :]] == [0] * (len(jobs) - at - 1)
        assert world.started(job) == 1
        world.finish(job)
    assert [states(world.ann, job)[-1] for job in jobs] == ["succeeded"] * 3


@pytest.mark.parametrize("world", ["queued"], indirect=True)
def test_what_runs_at_a_worker_counts_for_the_limit_after_a_restart(world: World) -> None:
    first = world.ask("whisper")
    world.process.life.announced(first.id, 1, "a", None)
    world.turn()
    world.process.life.park(world.process.life.jobs[first.id], 1, 1)
    world.turn()
    world.restart()
    second = world.ask("whisper")
    assert (world.started(first), world.started(second)) == (1, 0)
    world.finish(first)
    assert world.started(second) == 1


def test_a_cancelled_job_gives_its_place_to_the_next(world: World) -> None:
    first, second = world.ask("whisper"), world.ask("whisper")
    world.process.ask(world.ann, "job:cancel", job=first.id)
    world.process.turn()
    if world.path == "simple":  # its run goes on until it ends
        assert world.started(second) == 0
        world.process.end_run(0, FINE)
        world.process.turn()
    assert world.started(second) == 1


def test_what_was_parked_at_the_broker_comes_off_it_and_is_published_again(start: Callable[..., Process]) -> None:
    process = start(TASKS, flag=lambda name, room: "queued")
    ann = process.guest("ann", "lobby")
    process.ask(ann, "job:create", room="lobby", key="k", task="recite", args={"text": "x"})
    process.turn()
    (job,) = process.life.jobs.values()
    process.life.park(job, 1, 1)
    process.turn()
    assert process.life.jobs == {}

    process.own.run(process.controls.put_task("recite", {"paused": True}))
    process.turn()
    stored = process.stored(job.id)
    assert process.broker.purged[0] == "recite"
    assert (stored.parked, stored.stream_seq, stored.published) == (True, None, 0)

    process.broker.attempts.clear()
    process.own.run(process.controls.put_task("recite", {"paused": False}))
    for _ in range(3):
        process.turn()
        process.pass_time(1.1)
    process.turn()
    assert process.broker.attempts == [(job.id, 1)]
    process.result(job.id, 1, FINE)
    process.turn()
    assert process.stored(job.id).state == "succeeded"


def test_the_retries_that_are_set_are_those_that_are_made(start: Callable[..., Process]) -> None:
    process = start(TASKS)
    ann = process.guest("ann", "lobby")
    process.own.run(process.controls.put_task("recite", {"retries": {"attempts": 1}}))
    process.ask(ann, "job:create", room="lobby", key="k", task="recite", args={"text": "x"})
    process.turn()
    job, _ = process.end_run(0, failure("model_away", "not there", retryable=True))
    process.turn()
    assert process.stored(job.id).state == "failed"
    assert process.stored(job.id).dead


def test_what_waits_for_a_broker_that_is_away_is_not_lost_to_a_pause(start: Callable[..., Process]) -> None:
    process = start(TASKS, flag=lambda name, room: "queued")
    ann = process.guest("ann", "lobby")
    process.broker.is_away = True
    for key in ("a", "b"):
        process.ask(ann, "job:create", room="lobby", key=key, task="recite", args={"text": "x"})
    process.turn()
    process.own.run(process.controls.put_task("recite", {"paused": True}))
    process.own.until(lambda: process.routing.gate.held("recite") == 2)
    assert process.broker.waiting == []
    process.own.run(process.controls.put_task("recite", {"paused": False}))
    process.turn()
    process.broker.come_back()
    assert process.broker.attempts == [(id, 1) for id in process.all_jobs()]


def kept_in_the_ledger(process: Process, count: int) -> list[str]:
    """Jobs of a paused task that came off the broker, and are not in memory."""
    ann = process.guest("ann", "lobby")
    for key in range(count):
        process.ask(ann, "job:create", room="lobby", key=f"kept{key}", task="recite", args={"text": "x"})
    process.turn()
    for place, job in enumerate(list(process.life.jobs.values()), 1):
        process.life.park(job, 1, place)
    process.turn()
    process.own.run(process.controls.put_task("recite", {"paused": True}))
    process.turn()
    assert process.life.jobs == {}
    process.broker.attempts.clear()
    return list(process.all_jobs())


def test_a_task_goes_on_while_another_cannot_come_off_a_broker_that_is_away(start: Callable[..., Process]) -> None:
    process = start(TASKS, flag=lambda name, room: "queued")
    (kept,) = kept_in_the_ledger(process, 1)
    process.broker.is_away = True
    process.own.run(process.controls.put_task("whisper", {"paused": True}))
    process.own.rounds(20)
    process.own.run(process.controls.put_task("recite", {"paused": False}))
    process.own.until(lambda: [job.id for job in process.broker.waiting] == [kept])


def test_a_task_goes_on_however_many_of_a_paused_one_wait(
    start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(TASKS, flag=lambda name, room: "queued")
    kept = kept_in_the_ledger(process, 2)
    monkeypatch.setattr(ledger, "AT_ONCE", 1)
    monkeypatch.setattr(held_back, "MAX_IN_MEMORY", 1)
    process.own.run(process.controls.put_task("whisper", {"paused": True}))
    for key in range(3):
        process.ask(process.guest("ben", "lobby"), "job:create", room="lobby", key=f"k{key}", task="whisper",
                    args={"text": "x"})  # fmt: skip
    process.turn()
    process.own.run(process.controls.put_task("recite", {"paused": False}))
    process.own.until(lambda: [id for id, _ in process.broker.attempts] == kept)


def test_what_a_server_kept_that_was_away_comes_off_it_when_it_is_back(start: Callable[..., Process]) -> None:
    process = start(TASKS, flag=lambda name, room: "queued")
    process.routing.open_queue()
    process.own.run(process.controls.put_task("recite", {"paused": True}))
    process.turn()
    process.pass_time(5)
    process.turn()
    process.broker.purged.clear()
    process.pauses.came()
    process.turn()
    assert set(process.broker.purged) == {"recite"}
