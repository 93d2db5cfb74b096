"""What is done to the system, each as one coroutine over a crowd that chats meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from app.compare.client import Findings
from app.compare.system import System
from app.ownership.processes import LEASE_SECONDS
from tests.faults import brokers, databases, networks, paced, redeploys
from tests.faults.load import Crowd, dead_letters, left_on_streams
from tests.faults.parts import Broker, Proxy, fill, hit, locked, pid_of, small_disk, stopped
from tests.faults.several import COUNT, Several, several
from tests.logs import assert_no_traceback

ROOMS, GAP = 5, 0.5  # five pairs, each person writes twice a second
KILL_EVERY = 8.5  # seconds, less up to 2 by chance: five deaths of a part within 30 s would end the whole
RECOVERED = 60.0


@dataclass
class Recovery:
    """How long people waited, in seconds, each time something was done."""

    new: list[float] = field(default_factory=list)  # the part runs again until a job asked for then is answered
    caught: list[float] = field(default_factory=list)  # a part was killed until all jobs open at that moment were final


@dataclass
class Outcome:
    """One row of the table."""

    scenario: str
    messages: int
    jobs: int
    dead: Counter[str]  # dead letters by what the last attempt said
    findings: Findings
    recovery: Recovery


Harm = Callable[[Crowd, Random, Recovery], Awaitable[None]]


async def run(name: str, seed: int, times: int) -> Outcome:
    """One scenario from start to audit."""
    path, settings, around, harm = SCENARIOS[name]
    times = min(times, MOST.get(harm, times))
    with around(settings) as system:
        if path != "simple":
            system.flag(path)
        try:
            outcome = await _with_crowd(system, name, seed, lambda crowd, rng, took: harm(crowd, rng, took, times))
            assert_no_traceback(system.log)
            return outcome
        except BaseException:
            print(system.log.read_text()[-6000:])  # the folder goes with the system
            raise


async def _with_crowd(system: System, name: str, seed: int, harm: Harm) -> Outcome:
    rng, took = Random(seed), Recovery()
    crowd = Crowd(system, ROOMS, Random(seed + 1))
    await crowd.gather()
    chatting = asyncio.create_task(crowd.chat(GAP))
    await asyncio.sleep(1.0)
    await harm(crowd, rng, took)
    await asyncio.sleep(1.0)
    crowd.stopping = True
    await chatting
    await crowd.settle()
    findings, states = await crowd.audit()
    if "NATS_URL" not in system.settings:
        findings.lost += await left_on_streams(system)
    dead = Counter(f"{letter['task']}: {letter['error']}" for letter in dead_letters(system))
    await crowd.close()
    return Outcome(name, crowd.sent, sum(states.values()), dead, findings, took)


async def kill_web(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """kill -9 of the web process; recovery is from the moment its successor listens to the next answer of a job."""
    await _kill(crowd, rng, took, times, "web")


async def kill_worker(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """kill -9 of the worker."""
    await _kill(crowd, rng, took, times, "worker")


async def kill_broker(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """kill -9 of nats-server."""
    await _kill(crowd, rng, took, times, "broker")


async def kill_model(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """kill -9 of the model server."""
    await _kill(crowd, rng, took, times, "model")


async def restarts(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """SIGTERM to every part in turn, as a deploy does it."""
    for _ in range(times):
        for part in ("worker", "model", "web", "broker"):
            await asyncio.to_thread(hit, crowd.system, part, signal.SIGTERM)
            took.new.append(await _until_answered(crowd, part))
            await asyncio.sleep(rng.uniform(1, 2))
        if times > 1:
            await asyncio.sleep(KILL_EVERY)


async def broker_away(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """The broker hangs for 30 s, then goes on."""
    with stopped(crowd.system, "broker"):
        await asyncio.sleep(min(30.0, 6.0 * times))
    took.new.append(await _until_answered(crowd, "broker"))


async def tcp_cut(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """Connections to the broker are cut, or swallowed for a while."""
    proxy: Proxy = crowd.system.proxy  # type: ignore[attr-defined]  # set where the system was made
    for _ in range(times):
        if rng.random() < 0.5:
            proxy.cut()
        else:
            proxy.hold()
            await asyncio.sleep(rng.uniform(1, 4))
            proxy.cut()
            proxy.release()
        await asyncio.sleep(rng.uniform(0.5, 2))
    took.new.append(await _until_answered(crowd, "broker"))


async def database_locked(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """Another process holds the database for 2 s."""
    for _ in range(times):
        with locked(crowd.system):
            await asyncio.sleep(2.0)
        took.new.append(await _until_answered(crowd, "web"))
        await asyncio.sleep(rng.uniform(0.5, 2))


async def disk_full(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """No room under DATA_DIR for some seconds."""
    for _ in range(times):
        await asyncio.sleep(rng.uniform(1, 3))
        filler = await asyncio.to_thread(fill, crowd.system.data)
        await asyncio.sleep(rng.uniform(3, 6))
        filler.unlink()
        took.new.append(await _until_answered(crowd, "web"))


async def kill_supervisor(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """kill -9 of the supervisor, and another start on the same data."""
    for _ in range(times):
        await asyncio.sleep(rng.uniform(0, 2))
        crowd.system.process.kill()
        crowd.system.process.wait()
        await asyncio.to_thread(crowd.system.start)
        took.new.append(await _until_answered(crowd, "web"))


async def kill_one_web(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """kill -9 of one of three web processes, of which each owns rooms; recovery is until another answers."""
    for _ in range(times):
        system, number = _several(crowd), rng.randrange(COUNT)
        await asyncio.sleep(rng.uniform(0, 2))
        caught = asyncio.create_task(_until_final(crowd))
        await asyncio.to_thread(system.hit, number, signal.SIGKILL)
        took.new.append(await _until_answered(crowd, "web"))
        took.caught.append(await caught)
        await _until_ready(system, number)
        await asyncio.sleep(rng.uniform(1, KILL_EVERY / COUNT))


async def pause_one_web(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """A web process stops past its lease, others take its rooms, and it goes on."""
    for _ in range(times):
        system, number = _several(crowd), rng.randrange(COUNT)
        caught = asyncio.create_task(_until_final(crowd))
        await asyncio.to_thread(system.hit, number, signal.SIGSTOP)
        await asyncio.sleep(LEASE_SECONDS + rng.uniform(1, 3))
        await asyncio.to_thread(system.hit, number, signal.SIGCONT)
        took.caught.append(await caught)
        await asyncio.sleep(rng.uniform(1, 2))


async def rolling_restart(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
    """SIGTERM to one web process after the other, as a deploy does it."""
    for _ in range(times):
        system = _several(crowd)
        for number in range(COUNT):
            await asyncio.to_thread(system.hit, number, signal.SIGTERM)
            took.new.append(await _until_answered(crowd, "web"))
            await _until_ready(system, number)
            await asyncio.sleep(rng.uniform(0.5, 1))


def _several(crowd: Crowd) -> Several:
    assert isinstance(crowd.system, Several)
    return crowd.system


async def _until_ready(system: Several, number: int) -> None:
    until = time.monotonic() + RECOVERED
    while not system.is_ready(number):
        assert time.monotonic() < until, "a web process does not come back"
        await asyncio.sleep(0.1)


def again_and_again(blow: Callable[[Crowd, Random], Awaitable[None]]) -> Any:
    """This is done to what the system runs on again and again."""

    async def harm(crowd: Crowd, rng: Random, took: Recovery, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(rng.uniform(0, 2))
            await blow(crowd, rng)
            took.new.append(await _until_answered(crowd, "web"))

    return harm


kill_server, fail_over = again_and_again(databases.kill_server), again_and_again(databases.fail_over)
read_only, no_connections = again_and_again(databases.read_only), again_and_again(databases.no_connections)
kill_leader, majority_away = again_and_again(brokers.kill_leader), again_and_again(brokers.majority_away)
one_gone, pause_and_resume = again_and_again(brokers.one_gone), again_and_again(brokers.pause_and_resume)
network_cut, rate = again_and_again(networks.cut), again_and_again(paced.ask_for_many)
redeploy = again_and_again(redeploys.deploy_thrice)


async def _kill(crowd: Crowd, rng: Random, took: Recovery, times: int, part: str) -> None:
    for number in range(times):
        began = time.monotonic()
        await asyncio.sleep(rng.uniform(0, 2))
        before = pid_of(crowd.system, part)
        caught = asyncio.create_task(_until_final(crowd))
        await asyncio.to_thread(hit, crowd.system, part, signal.SIGKILL)
        while pid_of(crowd.system, part) in (None, before):
            assert crowd.system.process.poll() is None, "the system has ended"
            await asyncio.sleep(0.02)
        took.new.append(await _until_answered(crowd, part))
        took.caught.append(await caught)
        if number < times - 1:
            await asyncio.sleep(max(0.0, KILL_EVERY - (time.monotonic() - began)))


async def _until_answered(crowd: Crowd, part: str) -> float:
    """Seconds from now, when the part has been started again, until a new job is answered."""
    began = time.monotonic()
    probe = crowd.client(f"probe-{part}-{began}", "probe")
    probe.ack_timeout = 2.0
    job = await probe.send_until_acknowledged(lambda key: probe.request_job("language", {"text": "Guten Morgen"}, key))
    while probe.record.jobs[job["id"]]["state"] not in ("succeeded", "failed"):
        if not probe.connected:
            await probe.reconnect()
        if time.monotonic() - began > RECOVERED:
            break
        await asyncio.sleep(0.02)
    await probe.close()
    return time.monotonic() - began


async def _until_final(crowd: Crowd) -> float:
    """Seconds from now until everybody has seen the end of the jobs they wait for now."""
    began = time.monotonic()
    caught = [(person.record, set(person.record.unfinished)) for person in crowd.people]
    while any(record.unfinished & jobs for record, jobs in caught) and time.monotonic() - began < RECOVERED:
        await asyncio.sleep(0.02)
    return time.monotonic() - began


@contextlib.contextmanager
def plain(settings: dict[str, Any]) -> Iterator[System]:
    """The system as `make run` starts it."""
    with System(RATE_LIMIT="off", **settings) as system:
        yield system


@contextlib.contextmanager
def behind_proxy(settings: dict[str, Any]) -> Iterator[System]:
    """The broker outside, and a proxy in between."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        proxy = Proxy(broker.port)
        try:
            with System(RATE_LIMIT="off", NATS_URL=f"nats://127.0.0.1:{proxy.port}", **settings) as system:
                system.proxy = proxy  # type: ignore[attr-defined]  # for tcp_cut
                yield system
        finally:
            proxy.close()
            broker.close()


@contextlib.contextmanager
def on_small_disk(settings: dict[str, Any]) -> Iterator[System]:
    """DATA_DIR on a file system of 96 MB."""
    with (
        tempfile.TemporaryDirectory() as folder,
        small_disk(Path(folder), 96),
        System(RATE_LIMIT="off", folder=folder, **settings) as system,
    ):
        yield system


@contextlib.contextmanager
def with_log_on_small_disk(settings: dict[str, Any]) -> Iterator[System]:
    """DATA_DIR and the log on a file system of 96 MB."""
    with (
        tempfile.TemporaryDirectory() as folder,
        small_disk(Path(folder), 96),
        System(RATE_LIMIT="off", folder=folder, log=Path(folder) / "run.log", **settings) as system,
    ):
        yield system


SCENARIOS = {
    "kill web, simple": ("simple", {}, plain, kill_web),
    "kill web, queued": ("queued", {}, plain, kill_web),
    "kill worker": ("queued", {"ACK_WAIT": "3"}, plain, kill_worker),
    "kill broker": ("queued", {"ACK_WAIT": "3"}, plain, kill_broker),
    "kill model server, simple": ("simple", {}, plain, kill_model),
    "kill model server, queued": ("queued", {}, plain, kill_model),
    "kill supervisor, queued": ("queued", {"ACK_WAIT": "3"}, plain, kill_supervisor),
    "restart all in turn, queued": ("queued", {"ACK_WAIT": "3"}, plain, restarts),
    "broker away 30 s, queued": ("queued", {"ACK_WAIT": "3"}, plain, broker_away),
    "broker away 30 s, auto": ("auto", {"ACK_WAIT": "3", "MAX_INFLIGHT": "4"}, plain, broker_away),
    "kill one of three web, simple": ("simple", {}, several, kill_one_web),
    "kill one of three web, queued": ("queued", {"ACK_WAIT": "3"}, several, kill_one_web),
    "web paused past its lease, simple": ("simple", {}, several, pause_one_web),
    "web paused past its lease, queued": ("queued", {"ACK_WAIT": "3"}, several, pause_one_web),
    "rolling restart of three web, simple": ("simple", {}, several, rolling_restart),
    "rolling restart of three web, queued": ("queued", {"ACK_WAIT": "3"}, several, rolling_restart),
    "TCP to the broker cut": ("queued", {"ACK_WAIT": "3"}, behind_proxy, tcp_cut),
    "database locked 2 s": ("simple", {}, plain, database_locked),
    "disk full, simple": ("simple", {}, on_small_disk, disk_full),
    "disk full, queued": ("queued", {"ACK_WAIT": "3", "JOBS_MAX_BYTES": str(8 << 20)}, on_small_disk, disk_full),
    "disk full and the log on it, queued": (
        "queued",
        {"ACK_WAIT": "3", "JOBS_MAX_BYTES": str(8 << 20)},
        with_log_on_small_disk,
        disk_full,
    ),
    "kill PostgreSQL, simple": ("simple", {}, databases.on_postgres, kill_server),
    "kill PostgreSQL, queued": ("queued", {"ACK_WAIT": "3"}, databases.on_postgres, kill_server),
    "failover to a standby, queued": ("queued", {"ACK_WAIT": "3"}, databases.on_two, fail_over),
    "PostgreSQL read-only 10 s": ("queued", {"ACK_WAIT": "3"}, databases.on_postgres, read_only),
    "PostgreSQL without connections 10 s": ("simple", {}, databases.on_postgres, no_connections),
    "kill the leader of three brokers": ("queued", {"ACK_WAIT": "3"}, brokers.on_cluster, kill_leader),
    "a majority of three brokers away 20 s": ("queued", {"ACK_WAIT": "3"}, brokers.on_cluster, majority_away),
    "one of three isolated brokers gone": ("queued", {"ACK_WAIT": "3"}, brokers.on_isolated, one_gone),
    "network to PostgreSQL cut, simple": ("simple", {}, networks.to_database, network_cut),
    "network to PostgreSQL cut, queued": ("queued", {"ACK_WAIT": "3"}, networks.to_database, network_cut),
    "network to the broker cut, three web": ("queued", {"ACK_WAIT": "3"}, networks.to_broker, network_cut),
    "long jobs on isolated brokers, three redeploys": ("queued", {"ACK_WAIT": "3"}, redeploys.on_isolated, redeploy),
    "rate of a task, simple": ("simple", {}, paced.on_three, rate),
    "rate of a task, queued": ("queued", {"ACK_WAIT": "3"}, paced.on_three, rate),
    "pause and resume, simple": ("simple", {}, plain, pause_and_resume),
    "pause and resume, queued": ("queued", {"ACK_WAIT": "3"}, plain, pause_and_resume),
}
MOST = {
    kill_leader: 10,
    majority_away: 2,
    one_gone: 1,
    redeploy: 1,
    rate: 3,
    network_cut: 20,
    pause_and_resume: 20,
    kill_server: 10,
    fail_over: 3,
    read_only: 2,
    no_connections: 2,
    restarts: 8,
    tcp_cut: 20,
    database_locked: 10,
    disk_full: 3,
    broker_away: 5,
    kill_supervisor: 10,
    kill_one_web: 20,
    pause_one_web: 5,
    rolling_restart: 5,
}  # kills alone are done 50 times
ROOT_ONLY = {name for name in SCENARIOS if name.startswith("disk full")}
IS_ROOT = os.geteuid() == 0
