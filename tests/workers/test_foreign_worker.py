"""The worker of docs/workers.md, taken from the page word for word: it keeps the contract, and shares work with ours."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.compare.client import ChatClient
from app.compare.system import ROOT, System, checkout_with
from tests.faults.parts import Broker

NODE = shutil.which("node")
PAGE = (ROOT / "docs" / "workers.md").read_text()


def block(language: str) -> str:
    """The code of the page in one language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def node() -> str:
    """Node, which this machine may lack; CI may not."""
    if NODE is None or subprocess.run([NODE, "--version"], capture_output=True, check=False).returncode:
        if os.environ.get("CI") == "true":
            pytest.fail("node is missing")
        pytest.skip("node is missing")
    return NODE


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of this repository with the page's task in app/tasks."""
    target = checkout_with({"wordcount": block("python")}, tmp_path)
    (target / "worker.mjs").write_text(block("js"))
    return target


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of our own."""
    broker = Broker(tmp_path)
    yield broker
    broker.close()


def start(node: str, copy: Path, broker: Broker, **environment: str) -> subprocess.Popen[str]:
    """Start the page's worker and wait for its ready line."""
    url = {"NATS_URL": f"nats://127.0.0.1:{broker.port}"}
    process = subprocess.Popen(
        [node, "worker.mjs"], cwd=copy, env={**os.environ, **url, **environment}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "worker ready"
    return process


def check(copy: Path, broker: Broker) -> subprocess.CompletedProcess[str]:
    """Run worker-check for the page's task."""
    environment = {**os.environ, "NATS_URL": f"nats://127.0.0.1:{broker.port}", "NATS_PREFIX": "check"}
    command = [sys.executable, "-m", "app", "worker-check", "--task", "wordcount", "--json"]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_workers_page_has_a_worker_that_keeps_the_contract(node: str, copy: Path, broker: Broker) -> None:
    worker = start(node, copy, broker, NATS_PREFIX="check")
    try:
        done = check(copy, broker)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count('"verdict": "ok"') == 5
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0


@pytest.mark.parametrize(
    ("right", "wrong", "verdict"),
    [
        ('await publishResult(job, await outcome(job, ack));\n    await request(ack, "+ACK");',
         'await request(ack, "+ACK");\n    await publishResult(job, await outcome(job, ack));', "before its result"),
        ("`${job.id}.${job.attempt}.${name}`", "`${job.id}`", "Nats-Msg-Id"),
        ("return { words:", "return { count:", "does not fit"),
        ("attempt: job.attempt, run", "run", "cannot be read"),
    ],
)  # fmt: skip
def test_worker_check_says_what_is_wrong(
    node: str, copy: Path, broker: Broker, right: str, wrong: str, verdict: str
) -> None:
    source = (copy / "worker.mjs").read_text()
    assert right in source
    (copy / "worker.mjs").write_text(source.replace(right, wrong))
    worker = start(node, copy, broker, NATS_PREFIX="check")
    try:
        done = check(copy, broker)
        assert done.returncode == 1
        assert verdict in done.stdout
    finally:
        worker.kill()
        worker.wait(10)


@pytest.mark.slow
def test_a_foreign_worker_and_ours_share_the_work(node: str, copy: Path, broker: Broker, ml_url: str) -> None:
    # given both kinds of worker on one lane, ours made slow enough that the other gets its turn
    task = copy / "app" / "tasks" / "wordcount.py"
    task.write_text(
        task.read_text().replace("    return Count", "    import time\n\n    time.sleep(0.05)\n    return Count")
    )
    heard: Counter[str] = Counter()

    async def served_by_ours(system: System) -> None:
        person = ChatClient(system.url, "Ben", "r")
        await person.connect()
        await person.request_job("wordcount", {"text": "one"})
        assert await person.wait_until_final(1, 60)
        await person.close()

    async def request_job(system: System) -> None:
        person = ChatClient(system.url, "Ann", "r")
        await person.connect()
        jobs = [await person.request_job("wordcount", {"text": "one two three"}) for _ in range(60)]
        assert await person.wait_until_final(60, 60)
        for job in jobs:
            final = person.record.jobs[job["id"]]
            assert (final["state"], final["result"]) == ("succeeded", {"words": 3})
            heard["ours" if final["ms"] > 40 else "theirs"] += 1
        await person.close()

    with System(root=copy, ML_URL=ml_url, NATS_URL=f"nats://127.0.0.1:{broker.port}") as system:
        system.flag("queued")
        _wait_for_stream(system)
        asyncio.run(served_by_ours(system))  # it takes jobs from now on, as the other will
        worker = start(node, copy, broker)
        try:
            asyncio.run(request_job(system))
        finally:
            worker.terminate()
            worker.wait(10)

    assert heard["ours"] > 0
    assert heard["theirs"] > 0


def _wait_for_stream(system: System) -> None:
    """Until the web process has made the streams: the page's worker expects them."""
    until = time.monotonic() + 20
    while time.monotonic() < until and "queue connected" not in system.log.read_text():
        time.sleep(0.1)
