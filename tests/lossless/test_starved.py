"""Starved is not dead: only runs that began and never ended count, and not deliveries."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nats
import nats.errors
import pytest

from app.compare.system import System
from tests.faults.parts import Broker, pid_of
from tests.guest import Guest
from tests.lossless.evidence import Gate, figure, ready, until
from tests.lossless.worker import Worker
from tests.web import Web

Come = Callable[..., Guest]
STOPS = 4  # more than the deaths that make a job poison
STOPPED_SECONDS = 2.5  # of ACK_WAIT 1: each time the broker gives the job again


@pytest.mark.slow
def test_a_worker_that_is_stopped_for_moments_is_not_taken_for_dead(
    workshop: System, guests: Come, room: str, gate: Gate
) -> None:
    workshop.flag("queued")
    ann = guests(workshop.url, "Ann")
    ann.join(room)
    job = ann.ask(room, "patient", gate=str(gate))
    until(gate.begun, "it runs")
    pid = pid_of(workshop, "worker")
    assert pid is not None

    for _ in range(STOPS):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)  # the harm itself
        os.kill(pid, signal.SIGCONT)
    gate.open()

    final = ann.final(job["id"])
    assert (final["state"], final["attempt"]) == ("succeeded", 1)
    assert gate.begun() == [0]  # delivered again and again, and run once
    assert pid_of(workshop, "worker") == pid


@contextmanager
def giving_back(broker: Broker) -> Iterator[list[str]]:
    """A worker of somebody else's on our lane, which gives back at once whatever it is given; the subjects of that."""
    given_back: list[str] = []
    ended = threading.Event()

    async def serve() -> None:
        client = await nats.connect(f"nats://127.0.0.1:{broker.port}")
        lane = await client.jetstream().pull_subscribe_bind("ml", "JOBS")
        while not ended.is_set():
            try:
                for message in await lane.fetch(5, timeout=0.2):
                    given_back.append(message.subject)
                    await message.nak()
            except (nats.errors.TimeoutError, TimeoutError):
                continue  # nothing for it just now
        await client.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield given_back
    finally:
        ended.set()
        thread.join()


def test_jobs_that_a_foreign_worker_gives_back_are_done_by_ours(
    copy: Path, tmp_path: Path, broker: Broker, guests: Come
) -> None:
    url = f"nats://127.0.0.1:{broker.port}"
    data = tmp_path / "data"
    with Web(data, root=copy, DEFAULT_PATH="queued", NATS_URL=url, RATE_LIMIT="off") as web:
        until(lambda: ready(web.url), "the queue is connected")
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        with giving_back(broker) as given_back:
            jobs = [ann.ask("lobby", "moody", mood=str(number)) for number in range(100)]
            # Many more deliveries than deaths that make a job poison, before there is anybody who could run it.
            until(lambda: len(given_back) > 20 * len(jobs), "they are given back")
            with Worker(copy, tmp_path / "worker.log", NATS_URL=url) as worker:
                worker.ready()
                assert {ann.final(job["id"])["state"] for job in jobs} == {"succeeded"}
        assert figure(web.url, "spillway_dead_letters_total") == 0


@pytest.fixture(autouse=True)
def simple_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """The shared workshop as others expect it."""
    yield
    if "workshop" in request.fixturenames:
        request.getfixturevalue("workshop").flag("simple")
