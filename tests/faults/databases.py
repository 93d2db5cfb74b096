"""What is done to a system's PostgreSQL server, each as one coroutine over a crowd that chats meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from random import Random
from typing import Any

import psycopg

from app.compare.system import System
from tests.cluster import Cluster
from tests.faults.load import Crowd
from tests.faults.several import Several

AWAY_SECONDS = 10.0
NAME = "spillway"


class Pair:
    """A server and, where asked for, its standby: each takes the place of the other in turn."""

    def __init__(self, with_standby: bool) -> None:
        self.primary = Cluster(fsync="on", wal_level="replica", max_connections="40")
        self.standby: Cluster | None = None
        self.primary.run("postgres", f"CREATE DATABASE {NAME} TEMPLATE template0 ENCODING UTF8")
        self.url = self.primary.url(NAME)
        if with_standby:
            self.add_standby()
            ports = f"127.0.0.1:{self.primary.port},127.0.0.1:{self._standby.port}"
            self.url = f"postgresql://postgres@{ports}/{NAME}?target_session_attrs=read-write"

    @property
    def _standby(self) -> Cluster:
        assert self.standby is not None
        return self.standby

    def add_standby(self, port: int | None = None) -> None:
        """From now on nothing is acknowledged that the standby does not have."""
        self.standby = Cluster(self.primary, port)
        self.primary.set(synchronous_standby_names="*")

    def fail_over(self) -> None:
        """The server dies, and its standby takes over."""
        self.primary.kill()
        dead, self.primary = self.primary, self._standby
        self.primary.promote()
        dead.close()
        self.add_standby(dead.port)

    def close(self) -> None:
        """End both."""
        for each in (self.standby, self.primary):
            if each is not None:
                each.close()


def _pair(crowd: Crowd) -> Pair:
    assert isinstance(crowd.system, Several)
    pair = crowd.system.database
    assert isinstance(pair, Pair)
    return pair


async def kill_server(crowd: Crowd, rng: Random) -> None:
    """kill -9 of the server and all that belongs to it; started again after a while."""
    server = _pair(crowd).primary
    server.kill()
    await asyncio.sleep(rng.uniform(0, 6))
    await asyncio.to_thread(server.start)


async def fail_over(crowd: Crowd, _: Random) -> None:
    """kill -9 of the server; its standby takes over, and gets one of its own."""
    await asyncio.to_thread(_pair(crowd).fail_over)


async def read_only(crowd: Crowd, _: Random) -> None:
    """Nothing can be written for 10 s."""
    server = _pair(crowd).primary
    await asyncio.to_thread(server.set, default_transaction_read_only="on")
    await asyncio.sleep(AWAY_SECONDS)
    await asyncio.to_thread(server.set, default_transaction_read_only="off")


async def no_connections(crowd: Crowd, _: Random) -> None:
    """Our connections are cut, and others take every one that the server has, for 10 s."""
    server = _pair(crowd).primary
    with contextlib.ExitStack() as others:
        await asyncio.to_thread(_take_all, server, others)
        await asyncio.sleep(AWAY_SECONDS)


def _take_all(server: Cluster, others: contextlib.ExitStack) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'spillway%'"
        )
        for _ in range(3):  # ours are quick to come back
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    others.enter_context(psycopg.connect(server.url("postgres")))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'spillway%'"
            )
    with contextlib.suppress(psycopg.OperationalError):
        others.enter_context(psycopg.connect(server.url("postgres")))


@contextlib.contextmanager
def on_postgres(settings: dict[str, Any], with_standby: bool = False) -> Iterator[System]:
    """Three web processes with their database on a server."""
    pair = Pair(with_standby)
    try:
        with Several(pair.url, **settings) as system:
            system.database = pair  # for what is done to it
            yield system
    finally:
        pair.close()


@contextlib.contextmanager
def on_two(settings: dict[str, Any]) -> Iterator[System]:
    """The same, and the server has a standby."""
    with on_postgres(settings, with_standby=True) as system:
        yield system
