"""`make cluster`: three brokers, PostgreSQL, two web processes, two workers and nginx, started by one command."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from app import front
from app.cluster import BROKERS, WEB, WORKERS, postgres_binaries
from app.compare.system import System
from tests.conftest import need
from tests.guest import WAIT, Guest

pytestmark = pytest.mark.slow


class Cluster(System):
    """The whole of it."""

    module = "app.cluster"


@pytest.fixture(scope="module")
def cluster(parts: None) -> Iterator[Cluster]:
    """One, with every job on the queue."""
    need(postgres_binaries(), "PostgreSQL")
    need(front.binary(), "nginx")
    with Cluster(RATE_LIMIT="off", DEFAULT_PATH="queued") as running:
        yield running
    left = (running.data / "postgres").resolve()
    if os.geteuid() == 0:  # it is not in DATA_DIR then
        shutil.rmtree(left, ignore_errors=True)


def test_it_says_what_is_ready(cluster: Cluster) -> None:
    log = cluster.log.read_text()
    for kind, count in (("broker", BROKERS), ("web process", WEB), ("worker", WORKERS)):
        assert all(f"starting {kind} {number + 1}\n" in log for number in range(count))
    assert f"ready http://127.0.0.1:{cluster.port + 100} (nginx" in log


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_people_come_by_nginx_and_their_jobs_by_the_queue(
    cluster: Cluster, guests: Callable[..., Guest], room: str, transport: str
) -> None:
    through = f"http://127.0.0.1:{cluster.port + 100}"
    some = [guests(through, f"guest {number}", (transport,)) for number in range(4)]
    for guest in some:
        guest.join(room)
    for guest in some:
        job = guest.ask(room, "language", text="Guten Morgen")
        assert some[0].final(job["id"])["path"] == "queued"


def test_streams_are_on_all_brokers(cluster: Cluster) -> None:
    for number in range(WEB):
        answer = requests.get(f"http://127.0.0.1:{cluster.port + number}/readyz", timeout=WAIT)
        assert answer.json() == {"ok": True, "missing": []}
    assert all((cluster.data / f"broker-{number + 1}" / "jetstream").is_dir() for number in range(BROKERS))


def test_nginx_goes_on_when_a_web_process_dies(cluster: Cluster, guests: Callable[..., Guest], room: str) -> None:
    ready = Path(cluster.data / "web-1.ready")
    os.kill(int(ready.read_text()), signal.SIGKILL)
    guest = guests(f"http://127.0.0.1:{cluster.port + 100}", "Ann")
    guest.join(room)
    assert guest.say(room, "still here")["seq"] == 1
