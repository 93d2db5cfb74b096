"""Jobs of five minutes on three servers that do not know of each other, while everything is deployed anew three times."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from app.compare.client import ChatClient
from app.compare.samples import FINAL
from app.compare.system import ROOT, System, checkout_with
from tests.cluster import running
from tests.faults.brokers import STRANDED_SECONDS, Brokers
from tests.faults.load import Crowd
from tests.faults.parts import hit
from tests.faults.several import COUNT, Several

SECONDS = int(os.environ.get("SECONDS", "300"))  # that a run of one job takes, in steps of one second each
REDEPLOYS = 3
JOBS = 8  # as many as a worker runs at once
WAIT = 120.0
LONG = '''"""Asks its model for one step after the other."""

from typing import TypedDict

from app.tasks import task
from ml_clients.transport import ask


class Step(TypedDict):
    """What the model says to each."""

    similar: list[str]


@task(lane="long", timeout=3600, deadline=7200)
def long(steps: int) -> dict[str, int]:
    """Take a while"""
    for _ in range(steps):
        ask("/v1/similar", {"text": "a step"}, Step)
    return {"steps": steps}
'''


@contextlib.contextmanager
def on_isolated(settings: dict[str, Any]) -> Iterator[System]:
    """Three web processes and a worker, three brokers, and a model that takes a second for each step."""
    with tempfile.TemporaryDirectory() as folder, running() as cluster, contextlib.ExitStack() as stack:
        brokers = Brokers(Path(folder), in_cluster=False)
        stack.callback(brokers.close)
        more = {"NATS_URL": "|".join(brokers.urls), "STRANDED_SECONDS": str(STRANDED_SECONDS), "DEFAULT_PATH": "queued"}
        root = checkout_with({"long": LONG}, Path(folder))
        ml_url = stack.enter_context(_model())
        with Several(cluster.database(), root=root, ML_URL=ml_url, **more, **settings) as system:
            system.brokers = brokers  # type: ignore[attr-defined]  # for what is done to them
            yield system


@contextlib.contextmanager
def _model() -> Iterator[str]:
    times = json.dumps({"similar": {"median_ms": 1000, "sigma": 0}})
    command = [sys.executable, "-m", "ml_clients.synthetic", "--port", "0", "--times", times]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        found = re.search(r"ready (\S+)", server.stdout.readline())
        assert found
        yield found[1]
    finally:
        server.terminate()
        server.communicate(timeout=20)


async def deploy_thrice(crowd: Crowd, rng: Random) -> None:
    """Long jobs run, and each web process and the worker is stopped in order and started, three times."""
    assert isinstance(crowd.system, Several)
    asked = [(person, await _ask(person)) for person in crowd.people[:JOBS]]
    for _ in range(REDEPLOYS):
        await asyncio.sleep(SECONDS * rng.uniform(0.1, 0.3))
        for number in range(COUNT):
            await asyncio.to_thread(crowd.system.hit, number, signal.SIGTERM)
            await _until_ready(crowd.system, number)
        await asyncio.to_thread(hit, crowd.system, "worker", signal.SIGTERM)
    until = time.monotonic() + 2 * SECONDS + WAIT
    for person, job in asked:
        while (state := person.record.jobs[job]["state"]) not in FINAL:
            assert time.monotonic() < until, f"a long job is {state} still"
            if not person.connected:
                await person.reconnect()
            await asyncio.sleep(0.1)
        assert state == "succeeded", person.record.jobs[job]


async def _ask(person: ChatClient) -> str:
    job = await person.send_until_acknowledged(partial(person.request_job, "long", {"steps": SECONDS}))
    return str(job["id"])


async def _until_ready(system: Several, number: int) -> None:
    until = time.monotonic() + WAIT
    while not system.is_ready(number):
        assert time.monotonic() < until, "a web process does not come back"
        await asyncio.sleep(0.1)
