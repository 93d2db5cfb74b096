"""A whole Spillway on three servers that do not know of each other, one of which dies; all of it slow, but for one proof."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import requests

from app.compare.system import checkout_with
from tests.broker import RealBroker
from tests.guest import Guest
from tests.lossless.conftest import TASKS
from tests.lossless.evidence import Gate, until
from tests.lossless.worker import Worker
from tests.web import Web

STRANDED_SECONDS = "2"


class Isolated:
    """Three servers, a web process and a worker."""

    def __init__(self, folder: Path, root: Path, stack: contextlib.ExitStack) -> None:
        self.brokers = []
        for name in ("a", "b", "c"):
            (folder / name).mkdir()
            self.brokers.append(RealBroker(folder / name))
            stack.callback(self.brokers[-1].close)
        self.settings = {
            "NATS_URL": "|".join(broker.url for broker in self.brokers),
            "DEFAULT_PATH": "queued", "ACK_WAIT": "2", "STRANDED_SECONDS": STRANDED_SECONDS, "RATE_LIMIT": "off",
        }  # fmt: skip
        self._folder, self._root, self._stack = folder, root, stack
        self.web = stack.enter_context(Web(folder / "data", root, **self.settings))

    def work(self, name: str = "worker") -> Worker:
        """A worker, ready."""
        return self._stack.enter_context(
            Worker(self._root, self._folder / f"{name}.log", "--concurrency", "6", **self.settings)
        ).ready()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with tasks that wait."""
    return checkout_with({"patient": TASKS["patient"], "moody": TASKS["moody"]}, tmp_path_factory.mktemp("isolated"))


@pytest.fixture
def isolated(parts: None, tmp_path: Path, root: Path) -> Iterator[Isolated]:
    with contextlib.ExitStack() as stack:
        yield Isolated(tmp_path, root, stack)


def ask(ann: Guest, count: int, task: str, **args: Any) -> list[str]:
    """IDs of so many jobs."""
    jobs = []
    for number in range(count):
        given: dict[str, Any] = {"number": number, **args} if task == "patient" else args
        jobs.append(ann.ask("lobby", task, **given)["id"])
    return jobs


def test_one_of_three_is_gone_for_good_and_every_job_is_answered_once(
    isolated: Isolated, guests: Callable[..., Guest]
) -> None:
    ann = guests(isolated.web.url, "Ann")
    ann.join("lobby")
    waiting = ask(ann, 30, "moody", mood="fine")  # nobody runs them yet: some are on each server
    until(lambda: "queue connected" in isolated.web.log.read_text(), "it publishes")
    isolated.brokers[0].kill()
    isolated.work()
    more = ask(ann, 10, "moody", mood="fine")
    for id in [*waiting, *more]:
        assert ann.final(id)["state"] == "succeeded"
        assert len(ann.all("job:update", id=id, state="succeeded")) == 1


@pytest.mark.slow
def test_a_job_that_runs_while_its_server_dies_and_the_web_process_is_deployed_runs_on(
    isolated: Isolated, guests: Callable[..., Guest], tmp_path: Path
) -> None:
    isolated.work()
    ann = guests(isolated.web.url, "Ann")
    ann.join("lobby")
    gate = Gate(tmp_path / "gate")
    running = ask(ann, 6, "patient", gate=str(gate))
    until(lambda: len(gate.begun()) == 6, "all of them run")
    for _ in range(3):
        isolated.web.stop()
        isolated.web.start()
    isolated.brokers[1].kill()
    again = guests(isolated.web.url, "Ann")
    again.join("lobby")
    until(lambda: "stays away" in isolated.web.log.read_text(), "the server is given up")
    gate.open()
    for id in running:
        assert again.final(id)["state"] == "succeeded"
        assert len(again.all("job:update", id=id, state="succeeded")) == 1
    assert sorted(gate.begun()) == list(range(6)), "one was run again although its worker was heard"


@pytest.mark.slow
def test_what_was_published_twice_is_answered_once_when_the_server_is_back(
    isolated: Isolated, guests: Callable[..., Guest]
) -> None:
    ann = guests(isolated.web.url, "Ann")
    ann.join("lobby")
    asked = ask(ann, 30, "moody", mood="fine")
    until(lambda: "queue connected" in isolated.web.log.read_text(), "it publishes")
    isolated.brokers[2].kill()
    isolated.work()
    for id in asked:
        ann.final(id)
    isolated.brokers[2].restart()
    until(lambda: "the broker is back" in isolated.web.log.read_text(), "it is back")
    last = ask(ann, 6, "moody", mood="fine")
    for id in last:
        ann.final(id)
    for id in asked:
        assert len(ann.all("job:update", id=id, state="succeeded")) == 1


@pytest.mark.slow
def test_a_server_that_was_away_when_a_pause_began_starts_nothing_of_it_when_it_is_back(
    isolated: Isolated, guests: Callable[..., Guest], tmp_path: Path
) -> None:
    ann = guests(isolated.web.url, "Ann")
    ann.join("lobby")
    asked = ask(ann, 30, "moody", mood="fine")
    until(lambda: sum(waiting(broker) for broker in isolated.brokers) == 30, "all are published")
    isolated.brokers[2].kill()
    put(isolated, "moody", paused=True)
    until(lambda: not any(waiting(broker) for broker in isolated.brokers[:2]), "it is off the servers that are there")
    until(lambda: "stays away" in isolated.web.log.read_text(), "all that a pause does at once is done")
    isolated.brokers[2].restart()
    until(lambda: not waiting(isolated.brokers[2]), "it is off the one that is back")
    isolated.work()
    gate = Gate(tmp_path / "gate")
    gate.open()
    (other,) = ask(ann, 1, "patient", gate=str(gate))
    assert ann.final(other)["state"] == "succeeded"
    assert not any(ann.all("job:update", id=id, state="succeeded") for id in asked)
    put(isolated, "moody", paused=False)
    for id in asked:
        assert ann.final(id)["state"] == "succeeded"
        assert len(ann.all("job:update", id=id, state="succeeded")) == 1


def put(isolated: Isolated, task: str, *, paused: bool) -> None:
    """An operator pauses a task, or lets it go on."""
    answer = requests.put(f"{isolated.web.url}/api/tasks/{task}", json={"paused": paused}, timeout=10)
    answer.raise_for_status()


def waiting(broker: RealBroker) -> int:
    """How many jobs a server has; -1 while its stream does not answer."""

    async def count() -> int:
        client = await nats.connect(broker.url)
        try:
            return int((await client.jetstream().stream_info("JOBS")).state.messages)
        except (nats.errors.Error, TimeoutError):
            return -1
        finally:
            await client.close()

    return asyncio.run(count())
