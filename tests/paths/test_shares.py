"""Several web processes keep to one limit and one rate, fairly, also when one of them dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.ids import new_id
from app.jobs.job import Job
from app.loops import Loops
from app.ownership import claims
from app.paths.gate import Gate
from app.paths.shares import Shares, Want, claim
from app.store.store import Store
from app.tasks import task
from tests.cluster import Cluster
from tests.own_loop import OwnLoop


@task(max_inflight=4)
def narrow() -> dict[str, str]:
    """Four at once"""
    return {}


@task(rate=50)
def paced() -> dict[str, str]:
    """Fifty a second"""
    return {}


TASKS = {"narrow": narrow, "paced": paced}


class Web:
    """What one web process knows of limits; what passes runs until a test says otherwise."""

    def __init__(self, own: OwnLoop, url: str, name: str) -> None:
        self.name, self.running = name, list[Job]()
        self.started: list[float] = []
        self.store = Store(url, own, name=name)
        own.run(self.store.change(lambda connection: claims.register(connection, name, "", time.time())))
        self.gate = Gate(own.loop, TASKS, lambda name: False, self._run)
        self.shares = Shares(self.store, name, self.gate, own.loop)
        self.shares.begin(Loops(own.loop))

    def _run(self, job: Job) -> None:
        self.running.append(job)
        self.started.append(time.monotonic())
        self.gate.begun(job)

    def put(self, name: str, count: int) -> None:
        """So many attempts want to start."""
        for _ in range(count):
            now = time.time()
            self.gate.put(
                Job(n=1, id=new_id(), room="r", task=name, args="{}", path="simple", attempts=1, at=now, deadline=now)
            )

    def end(self, count: int = 1) -> None:
        """So many of those that run end."""
        for _ in range(count):
            self.gate.over(self.running.pop(0))


@pytest.fixture
def webs(own: OwnLoop, cluster: Cluster) -> Iterator[list[Web]]:
    """Three web processes on one database."""
    url = cluster.database()
    made = [Web(own, url, f"web{at}") for at in range(3)]
    yield made
    for web in made:
        own.run(web.store.close())


def asking(web: Web, inflight: int, wanted: int, limit: int = 4) -> Any:
    """What the database grants."""
    want = Want("other", limit, None, inflight, wanted, 0)
    return web.store.change(lambda connection: claim(connection, web.name, [want])["other"].share)


def ask(own: OwnLoop, *asked: Any, **more: Any) -> Any:
    """As above, at once."""
    return own.run(asking(*asked, **more))


def running(webs: list[Web]) -> int:
    return sum(len(web.running) for web in webs)


def test_together_they_never_have_more_under_way_than_the_limit_and_all_are_done(own: OwnLoop, webs: list[Web]) -> None:
    for web in webs:
        web.put("narrow", 10)
    for _ in range(30):
        own.until(lambda: running(webs))
        assert running(webs) <= 4
        max(webs, key=lambda web: len(web.running)).end()
    assert sum(web.gate.held() for web in webs) == 0


def test_who_has_all_leaves_its_part_to_another_who_wants_some(own: OwnLoop, webs: list[Web]) -> None:
    assert ask(own, webs[0], 0, 9) == 4
    assert ask(own, webs[1], 0, 9) == 0
    assert ask(own, webs[0], 4, 5) == 2  # no other one until two have ended
    assert ask(own, webs[1], 0, 9) == 0
    assert ask(own, webs[0], 2, 7) == 2
    assert ask(own, webs[1], 0, 9) == 2


def test_where_there_are_fewer_than_want_some_they_take_turns(own: OwnLoop, webs: list[Web]) -> None:
    assert ask(own, webs[0], 0, 9, limit=1) == 1
    assert ask(own, webs[1], 0, 9, limit=1) == 0
    assert ask(own, webs[0], 1, 8, limit=1) == 0  # no other one when this has ended
    assert ask(own, webs[1], 0, 9, limit=1) == 0
    assert ask(own, webs[0], 0, 0, limit=1) == 0
    assert ask(own, webs[1], 0, 9, limit=1) == 1


def test_what_a_process_does_not_use_is_there_for_the_others(own: OwnLoop, webs: list[Web]) -> None:
    webs[0].put("narrow", 6)
    own.until(lambda: len(webs[0].running) == 4)
    webs[0].end(4)
    own.until(lambda: len(webs[0].running) == 2)
    webs[1].put("narrow", 2)
    own.until(lambda: len(webs[1].running) == 2)
    assert running(webs) == 4


def test_a_dead_process_keeps_nothing(own: OwnLoop, webs: list[Web]) -> None:
    webs[0].put("narrow", 4)
    own.until(lambda: len(webs[0].running) == 4)
    webs[1].put("narrow", 4)
    own.run(webs[0].store.change(lambda connection: claims.leave(connection, "web0")))
    own.until(lambda: len(webs[1].running) == 4)


def test_starts_of_all_together_keep_to_the_rate(own: OwnLoop, webs: list[Web]) -> None:
    for web in webs:
        web.put("paced", 10)
    own.until(lambda: running(webs) == 30)
    starts = sorted(at for web in webs for at in web.started)
    # 30 starts, 20 ms apart by the database's clock; what a timer is late by is not made up for by the next
    assert starts[-1] - starts[0] >= 29 / 50 * 0.8
    assert all(web.running for web in webs)


def test_what_is_granted_is_counted_by_the_database_alone(own: OwnLoop, webs: list[Web]) -> None:
    """Three that ask in the same moment with the same idea of the others."""

    async def all_at_once() -> list[int]:
        return list(await asyncio.gather(*(asking(web, 0, 9) for web in webs)))

    assert sum(own.run(all_at_once())) <= 4
