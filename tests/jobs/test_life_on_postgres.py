"""The same lives on PostgreSQL, whose connection is cut before and after its commits."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from app.store.errors import StoreUnavailable
from app.store.group import Group
from app.store.operation import Rows
from app.store.postgres.writing import Doubt
from tests.cluster import Cluster
from tests.jobs.process import Process
from tests.jobs.test_life import COMMON, Life
from tests.store.inside import groups_of, stop_looking


class Cuts:
    """Has the next transactions end badly, each in another way."""

    def __init__(self, process: Process) -> None:
        self.left, self.any, self.groups = 0, False, groups_of(process.store)
        stop_looking(process.store)  # it never ends, and a turn waits until nothing is under way
        self._send, self._find_out, self._in_time = self.groups._send, self.groups._find_out, True
        self.groups._send = self.send  # type: ignore[method-assign]
        self.groups._find_out = self.find_out  # type: ignore[method-assign]
        self._ways = itertools.cycle([self._refused, self._cut_before, self._cut_after, self._cut_for_long])

    async def send(self, text: str, rows: Rows, until: float) -> None:
        """Write, or end badly."""
        if not self.left:
            await self._send(text, rows, until)
            return
        self.left, self.any = self.left - 1, True
        await next(self._ways)(text, rows, until)

    async def find_out(self, doubt: Doubt, group: Group, until: float) -> bool:
        """Find out, or do not in time."""
        in_time, self._in_time = self._in_time, True
        if in_time or not group.can_be_withdrawn:
            return await self._find_out(doubt, group, until)
        raise StoreUnavailable("nobody waits any more")

    async def _refused(self, *_: Any) -> None:
        raise psycopg.errors.DiskFull("no room")

    async def _cut_before(self, *given: Any) -> None:
        connection = await self.groups._ready(given[2])
        connection.pgconn.finish()
        await self._send(*given)

    async def _cut_after(self, text: str, rows: Rows, until: float) -> None:
        await self._send(text, rows, until)
        self.groups._doubt = Doubt(self.groups._last_ticket, rows)
        await self.groups._drop()
        raise psycopg.OperationalError("cut")

    async def _cut_for_long(self, *given: Any) -> None:
        self._in_time = False
        await self._cut_after(*given)


class LifeOnPostgres(Life):
    """Everything that can happen to messages and jobs there."""

    cluster: Cluster
    expected = frozenset({"write failed", "the database cannot be written"})

    def __init__(self) -> None:
        super().__init__()
        self.url = self.cluster.database()
        self.database = self.url.rsplit("/", 1)[1]

    @staticmethod
    def refusals_of(process: Process) -> Any:
        """What has its transactions fail."""
        return Cuts(process)

    @rule(under_way=st.booleans())
    def kill(self, under_way: bool) -> None:
        """The process dies, perhaps while a group is on its way; another takes over."""
        if under_way:
            self.p.own.rounds(1)
        self.look()
        self.note_shown()
        self.read_answers()
        self.p.kill()
        self.forget()
        for asked in self.asked.values():
            asked.lost += asked.open.values()
            asked.open.clear()
        self.begin()
        self.adopt_lost()

    def write_in_thread(self) -> None:
        """It never does."""

    def take_lock(self) -> None:
        """Nobody holds all of it."""

    def unlock(self) -> None:
        """So nobody lets it go."""

    def forget(self) -> None:
        """The server has noticed that the process is dead."""
        others = f"datname = '{self.database}' AND pid <> pg_backend_pid()"
        self.cluster.run("postgres", f"SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE {others}")

    def look(self) -> None:
        """What is in doubt is settled, as it is every second."""
        groups = groups_of(self.p.store)
        if groups._doubt is not None:
            self.p.own.until(lambda: not groups._turn.locked())
            self.p.own.run(groups.look())

    def holds(self) -> None:
        """All of what must be true."""
        if self.process is not None:
            self.p.own.until(lambda: self.p.store.writer._group is None)
            self.look()
        super().holds()


@pytest.fixture
def server(cluster: Cluster) -> None:
    """Where the databases are."""
    LifeOnPostgres.cluster = cluster


@pytest.mark.usefixtures("server")
class TestLifeOnPostgres(LifeOnPostgres.TestCase):  # type: ignore[misc, valid-type]  # made at run time
    """One life."""

    settings = settings(COMMON, max_examples=1)


@pytest.mark.slow
@pytest.mark.usefixtures("server")
class TestManyLivesOnPostgres(LifeOnPostgres.TestCase):  # type: ignore[misc, valid-type]  # as above
    """Many."""

    settings = settings(COMMON, max_examples=30)
