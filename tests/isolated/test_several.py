"""Several web processes on servers that do not know of each other: they meet on the first that is there."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.faults.brokers import Brokers
from tests.faults.several import Several
from tests.guest import Guest
from tests.lossless.evidence import until


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Brokers]:
    """Three servers."""
    made = Brokers(tmp_path, in_cluster=False)
    yield made
    made.close()


@pytest.fixture
def three(parts: None, cluster: Cluster, brokers: Brokers) -> Iterator[Several]:
    """Three web processes and a worker."""
    settings = {"NATS_URL": "|".join(brokers.urls), "DEFAULT_PATH": "queued", "STRANDED_SECONDS": "5"}
    with Several(cluster.database(), **settings) as system:
        yield system


def enter(three: Several, guests: Callable[..., Guest], when: str) -> list[Guest]:
    """Three people, each by another process, in one room."""
    some = [guests(url, f"{name}-{when}") for name, url in zip("abc", three.urls, strict=True)]
    for guest in some:
        guest.join("lobby")
    return some


def all_hear(people: list[Guest], text: str) -> None:
    """What one says all are shown, with the answers of a worker."""
    said = people[0].say("lobby", text)
    for guest in people:
        guest.wait(lambda seen: any(event == "message:new" and data["id"] == said["id"] for event, data in seen))
        guest.found(said["seq"], "triage", "language", "sentiment")


@pytest.mark.slow
def test_they_hear_each_other_whichever_server_is_away_and_after_each_deploy(
    three: Several, brokers: Brokers, guests: Callable[..., Guest]
) -> None:
    all_hear(enter(three, guests, "before"), "All three are there")

    brokers.kill(0)
    all_hear(enter(three, guests, "without"), "The first server is away")

    brokers.restart(0)
    before = three.web_process(2)
    three.hit(2, signal.SIGTERM)  # whoever comes after it finds the first server, the others are on the second
    until(lambda: three.web_process(2) not in (None, before) and three.is_ready(2), "it is there again")
    all_hear(enter(three, guests, "after"), "The first server is back, and one of us was deployed")
