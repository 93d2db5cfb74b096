"""What is done to several brokers: a JetStream cluster, or servers that do not know of each other; over a crowd that chats."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import nats
import requests

from app.compare.system import System
from app.ports import free_port
from tests.faults.load import Crowd

COUNT = 3
MAJORITY_SECONDS = 20.0
STRANDED_SECONDS = 5
WAIT = 60.0


class Brokers:
    """Three servers in processes of their own."""

    def __init__(self, folder: Path, in_cluster: bool) -> None:
        self.ports = [free_port() for _ in range(COUNT)]
        routes = [free_port() for _ in range(COUNT)]
        known = ",".join(f"nats://127.0.0.1:{route}" for route in routes)
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary, "nats-server is not installed"
        self._commands = []
        for number, (port, route) in enumerate(zip(self.ports, routes, strict=True)):
            place = folder / f"broker-{number}"
            place.mkdir()
            command = [binary, "-a", "127.0.0.1", "-p", str(port), "-n", f"broker-{number}", "-js", "-sd", str(place)]
            if in_cluster:
                command += ["--cluster_name", "c", "--cluster", f"nats://127.0.0.1:{route}", "--routes", known]
            self._commands.append([*command, "-l", str(place / "log")])
        self.processes = [subprocess.Popen(command) for command in self._commands]
        for port in self.ports:
            self._until_listens(port)

    @property
    def urls(self) -> list[str]:
        """Their addresses."""
        return [f"nats://127.0.0.1:{port}" for port in self.ports]

    def kill(self, number: int) -> None:
        """It is gone at once."""
        self.processes[number].kill()
        self.processes[number].wait()

    def restart(self, number: int) -> None:
        """It is back, with what is on its disk."""
        self.processes[number] = subprocess.Popen(self._commands[number])
        self._until_listens(self.ports[number])

    async def leader(self) -> int:
        """The number of the leader of the stream of jobs."""
        client = await nats.connect(self.urls, connect_timeout=2)
        try:
            give_up = time.monotonic() + WAIT
            while True:
                with contextlib.suppress(Exception):  # while one is elected nobody answers
                    info = await client.jetstream().stream_info("JOBS")
                    if info.cluster is not None and info.cluster.leader:
                        return int(info.cluster.leader.rpartition("-")[2])
                assert time.monotonic() < give_up, "the stream has no leader"
                await asyncio.sleep(0.1)
        finally:
            await client.close()

    def close(self) -> None:
        """End all."""
        for process in self.processes:
            process.kill()
            process.wait()

    @staticmethod
    def _until_listens(port: int) -> None:
        give_up = time.monotonic() + WAIT
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return
            assert time.monotonic() < give_up, "a broker does not start"
            time.sleep(0.05)


@contextlib.contextmanager
def _on(settings: dict[str, Any], in_cluster: bool, **more: Any) -> Iterator[System]:
    with tempfile.TemporaryDirectory() as folder:
        brokers = Brokers(Path(folder), in_cluster)
        try:
            url = ("," if in_cluster else "|").join(brokers.urls)
            with System(RATE_LIMIT="off", NATS_URL=url, DEFAULT_PATH="queued", **settings, **more) as system:
                system.brokers = brokers  # type: ignore[attr-defined]  # for what is done to them
                yield system
        finally:
            brokers.close()


@contextlib.contextmanager
def on_cluster(settings: dict[str, Any]) -> Iterator[System]:
    """A JetStream cluster of three, each message on all of them."""
    with _on(settings, True, REPLICAS=str(COUNT)) as system:
        yield system


@contextlib.contextmanager
def on_isolated(settings: dict[str, Any]) -> Iterator[System]:
    """Three that do not know of each other."""
    with _on(settings, False, STRANDED_SECONDS=str(STRANDED_SECONDS)) as system:
        yield system


def _brokers(crowd: Crowd) -> Brokers:
    brokers = crowd.system.brokers  # type: ignore[attr-defined]  # as above
    assert isinstance(brokers, Brokers)
    return brokers


async def kill_leader(crowd: Crowd, rng: Random) -> None:
    """kill -9 of the leader of the stream of jobs; started again after a while."""
    brokers = _brokers(crowd)
    leader = await brokers.leader()
    brokers.kill(leader)
    await asyncio.sleep(rng.uniform(0, 6))
    await asyncio.to_thread(brokers.restart, leader)


async def majority_away(crowd: Crowd, rng: Random) -> None:
    """kill -9 of two of three; back after 20 s."""
    brokers, gone = _brokers(crowd), rng.sample(range(COUNT), 2)
    for number in gone:
        brokers.kill(number)
    await asyncio.sleep(MAJORITY_SECONDS)
    for number in gone:
        await asyncio.to_thread(brokers.restart, number)


async def one_gone(crowd: Crowd, rng: Random) -> None:
    """kill -9 of one, for good; what it had is published elsewhere."""
    brokers = _brokers(crowd)
    brokers.kill(rng.randrange(COUNT))
    await asyncio.sleep(STRANDED_SECONDS + 3)


async def pause_and_resume(crowd: Crowd, rng: Random) -> None:
    """A task, and then a lane, is paused for some seconds."""
    for where in ("tasks/triage", "lanes/ml"):
        for paused in (True, False):
            await asyncio.to_thread(_put, crowd.system, where, paused)
            await asyncio.sleep(rng.uniform(0.2, 4))


def _put(system: System, where: str, paused: bool) -> None:
    requests.put(f"{system.url}/api/{where}", json={"paused": paused}, timeout=10).raise_for_status()
