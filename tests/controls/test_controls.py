"""What is set of tasks and lanes: refused when it makes no sense, kept, and followed by every process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from app.controls.controls import Controls
from app.jobs import ledger
from app.payload import Refused
from app.store.store import Store
from app.tasks import task
from tests.own_loop import OwnLoop


@task(lane="speech", max_inflight=3, rate=2.5)
def recite() -> dict[str, str]:
    """Aloud"""
    return {}


@task
def whisper() -> dict[str, str]:
    """Softly"""
    return {}


TASKS = {"recite": recite, "whisper": whisper}


@pytest.fixture
def store(own: OwnLoop, either: str) -> Iterator[Store]:
    """A database of each kind."""
    opened = Store(either, own)
    yield opened
    own.run(opened.close())


@pytest.fixture
def process(own: OwnLoop, store: Store) -> Callable[[], Controls]:
    """Makes what a process on this database knows."""

    def make() -> Controls:
        controls = Controls(store, TASKS, ledger.stood_still)
        own.run(controls.load())
        return controls

    return make


def test_at_first_nothing_is_paused_and_declared_limits_are_shown(process: Callable[[], Controls]) -> None:
    controls = process()
    assert controls.task("recite") == {
        "task": "recite", "lane": "speech", "paused": False, "max_inflight": 3, "rate": 2.5,
    }  # fmt: skip
    assert controls.lanes() == [
        {"lane": "ml", "paused": False, "tasks": ["whisper"]},
        {"lane": "speech", "paused": False, "tasks": ["recite"]},
    ]
    assert (controls.is_paused("recite"), controls.pause_of("recite"), controls.all_paused()) == (False, 0.0, [])


def test_what_is_set_is_kept_and_followed_by_other_processes(process: Callable[[], Controls], own: OwnLoop) -> None:
    one, two = process(), process()
    heard: list[Any] = []
    two.paused, two.resumed = heard.append, lambda tasks, since: heard.append((tasks, since))
    assert own.run(one.put_task("recite", {"paused": True}))["paused"]
    own.run(two.look())
    assert two.is_paused("recite")
    since = two.pause_of("recite")
    own.run(one.put_task("recite", {"paused": False}))
    own.run(two.look())
    assert not two.is_paused("recite")
    assert heard == [["recite"], (["recite"], since)]
    assert process().pause_of("recite") == since


def test_a_pause_that_was_over_before_it_was_noticed_counts_all_the_same(
    process: Callable[[], Controls], own: OwnLoop
) -> None:
    """Others took its jobs off the broker meanwhile."""
    one, two = process(), process()
    heard: list[Any] = []
    two.paused, two.resumed = heard.append, lambda tasks, since: heard.append((tasks, since))
    own.run(one.put_task("recite", {"paused": True}))
    own.run(one.put_task("recite", {"paused": False}))
    own.run(two.look())
    assert heard == [["recite"], (["recite"], two.pause_of("recite"))]


class Slow:
    """The same store, whose answers come only when a test lets them."""

    def __init__(self, store: Store) -> None:
        self._store, self.reads, self.changes = store, asyncio.Event(), asyncio.Event()

    async def read(self, query: Callable[[Connection], Any]) -> Any:
        """What was there before the answer was let go."""
        found = await self._store.read(query)
        await self.reads.wait()
        return found

    async def change(self, change: Callable[[Connection], Any]) -> Any:
        """Made as soon as it is let go."""
        await self.changes.wait()
        return await self._store.change(change)


def test_what_was_read_before_a_change_is_not_in_force_after_it(store: Store, own: OwnLoop) -> None:
    async def test() -> None:
        slow = Slow(store)
        controls = Controls(cast("Store", slow), TASKS, ledger.stood_still)
        resumed: list[str] = []
        controls.resumed = lambda tasks, since: resumed.extend(tasks)
        putting = asyncio.create_task(controls.put_task("recite", {"paused": True}))
        await asyncio.sleep(0)
        looking = asyncio.create_task(controls.look())
        await asyncio.gather(*(store.read(lambda connection: None) for _ in range(3)))  # it has read by now, if it does
        slow.changes.set()
        await putting
        slow.reads.set()
        await looking
        assert (controls.is_paused("recite"), resumed) == (True, [])

    own.run(test())


def test_a_task_waits_while_it_or_its_lane_is_paused(process: Callable[[], Controls], own: OwnLoop) -> None:
    controls = process()
    resumed: list[str] = []
    controls.resumed = lambda tasks, since: resumed.extend(tasks)
    own.run(controls.put_lane("speech", {"paused": True}))
    assert controls.task("recite")["lane_paused"]
    assert (controls.is_paused("recite"), controls.is_paused("whisper")) == (True, False)
    own.run(controls.put_task("recite", {"paused": True}))
    own.run(controls.put_lane("speech", {"paused": False}))
    assert (controls.is_paused("recite"), resumed) == (True, [])
    own.run(controls.put_task("recite", {"paused": False}))
    assert (controls.is_paused("recite"), resumed) == (False, ["recite"])


def test_every_second_that_a_task_or_its_lane_is_paused_counts_once(store: Store, own: OwnLoop) -> None:
    told: list[tuple[list[str], float, float]] = []
    controls = Controls(store, TASKS, lambda _, tasks, since, until: told.append((tasks, since, until)))
    own.run(controls.load())
    moved: list[tuple[list[str], float, float]] = []
    controls.stood = lambda tasks, since, until: moved.append((tasks, since, until))
    own.run(controls.put_task("recite", {"paused": True}))
    began = controls.pause_of("recite")
    own.run(controls.put_lane("speech", {"paused": True}))
    second = controls.pause_of("recite")
    own.run(controls.put_task("recite", {"paused": False}))
    assert told == moved == [(["recite"], began, second)]
    own.run(controls.put_lane("speech", {"paused": False}))
    assert [(tasks, since) for tasks, since, _ in told] == [(["recite"], began), (["recite"], second)]
    assert len(moved) == 1


def test_retries_are_kept_beside_a_pause_and_null_removes_them(process: Callable[[], Controls], own: OwnLoop) -> None:
    controls = process()
    retries = {"attempts": 5, "codes": [429, 503], "min_wait_s": 1.0, "max_wait_s": 20.0, "jitter": "equal"}
    assert own.run(controls.put_task("recite", {"retries": retries}))["retries"] == retries
    own.run(controls.put_task("recite", {"paused": True}))
    again = process()
    assert again.task("recite")["retries"] == retries
    assert again.retries("recite").attempts == 5
    assert again.retries("whisper").attempts is None
    assert "retries" not in own.run(controls.put_task("recite", {"retries": None}))
    assert controls.is_paused("recite")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "paused"),
        ({"paused": "yes"}, "paused"),
        ({"paused": None}, "paused"),
        ({"puased": True}, "puased"),
        ({"retries": {"attempts": 0}}, "retries.attempts"),
        ({"retries": {"codes": [99]}}, "retries.codes"),
        ({"retries": {"codes": ["503"]}}, "retries.codes"),
        ({"retries": {"jitter": "some"}}, "retries.jitter"),
        ({"retries": {"min_wait_s": -1}}, "retries.min_wait_s"),
        ({"retries": {"min_wait_s": 10, "max_wait_s": 5}}, "retries.max_wait_s"),
        ({"retries": {"tries": 5}}, "retries"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(
    process: Callable[[], Controls], own: OwnLoop, body: Any, field: str
) -> None:
    controls = process()
    with pytest.raises(Refused) as refused:
        own.run(controls.put_task("recite", body))
    assert refused.value.code == "bad_request"
    assert (refused.value.field or "").startswith(field), refused.value.field


def test_unknown_names_are_not_found(process: Callable[[], Controls], own: OwnLoop) -> None:
    controls = process()
    for putting in (controls.put_task("shout", {"paused": True}), controls.put_lane("shout", {"paused": True})):
        with pytest.raises(Refused) as refused:
            own.run(putting)
        assert refused.value.code == "not_found"
