"""Somebody sets the wall clock of a machine on which jobs are under way: nothing becomes late by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.parts import Broker
from tests.guest import Guest
from tests.lossless.evidence import Gate, ready, until
from tests.lossless.worker import Worker
from tests.web import Web

HOURS = 7200

# Python reads this first in every process of the test: its wall clock is ahead by what the file says.
SITE = '''"""Moves the wall clock."""
import os, time
real, path = time.time, os.environ["AHEAD"]
time.time = lambda: real() + os.stat(path).st_size
'''


@pytest.fixture
def ahead(tmp_path: Path) -> Path:
    """A file as many bytes long as clocks are ahead, in seconds."""
    path = tmp_path / "ahead"
    path.touch()
    return path


@pytest.fixture
def settings(tmp_path: Path, ahead: Path, broker: Broker) -> dict[str, str]:
    """What processes need whose clock can be set."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    return {"PYTHONPATH": str(site), "AHEAD": str(ahead), "NATS_URL": f"nats://127.0.0.1:{broker.port}"}


@pytest.mark.parametrize("path", ["simple", "queued"])
def test_a_clock_that_is_set_two_hours_forward_ends_no_job(
    copy: Path,
    tmp_path: Path,
    settings: dict[str, str],
    ahead: Path,
    gate: Gate,
    guests: Callable[..., Guest],
    path: str,
) -> None:
    with (
        Web(tmp_path / "data", root=copy, DEFAULT_PATH=path, MAX_INFLIGHT="2", RATE_LIMIT="off", **settings) as web,
        Worker(copy, tmp_path / "worker.log", "--concurrency", "2", **settings) as worker,
    ):
        worker.ready()
        until(lambda: path == "simple" or ready(web.url), "the queue is connected")
        ann = guests(web.url, "Ann")
        ann.join("lobby")
        asked = [ann.ask("lobby", "single", gate=str(gate), number=number)["id"] for number in range(20)]
        until(gate.begun, "some run, and the others wait")
        ahead.write_bytes(bytes(HOURS))
        said = datetime.fromisoformat(ann.say("lobby", "later")["at"]).timestamp()
        assert said > time.time() + HOURS / 2  # it is the clock that the process goes by
        gate.open()
        finals = [ann.final(id) for id in asked]
    assert [(final["state"], final["path"]) for final in finals] == [("succeeded", path)] * 20
    assert sorted(gate.begun()) == list(range(20))
