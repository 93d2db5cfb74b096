"""A PostgreSQL server that is away: everybody is answered in time, and what was refused is not stored later."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.cluster import postgres_binaries
from app.compare.system import ROOT
from app.ports import free_port
from tests.cluster import Cluster, running
from tests.conftest import need
from tests.guest import WAIT, Guest
from tests.lossless.evidence import until
from tests.web import Web, ended

Come = Callable[..., Guest]


@pytest.fixture
def server() -> Iterator[Cluster]:
    """A server that a test may harm."""
    need(postgres_binaries(), "PostgreSQL")
    with running() as cluster:
        yield cluster


def on(url: str, **more: str) -> dict[str, str]:
    """Settings of a web process on this database."""
    return {"DATABASE_URL": url, "SECRET_KEY": secrets.token_hex(32), "RATE_LIMIT": "off", "MAX_BACKLOG": "0", **more}


def readiness(url: str) -> tuple[int, list[str]]:
    """What /readyz says."""
    answer = requests.get(f"{url}/readyz", timeout=WAIT)
    return answer.status_code, answer.json()["missing"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eventlet", "threading"])
def test_while_it_is_away_all_are_refused_in_time_and_afterwards_all_goes_on(
    tmp_path: Path, server: Cluster, guests: Come, mode: str
) -> None:
    url = server.database().replace("postgres@", "postgres:hunter2@")
    with Web(tmp_path, ROOT, **on(url, ASYNC_MODE=mode, LOG_LEVEL="debug")) as web:
        people = [guests(web.url, f"Guest {number}") for number in range(12)]
        for each in people:
            each.join("lobby")
            each.say("lobby", "before", key="before")
        assert readiness(web.url) == (200, [])
        acks: list[dict[str, Any]] = []
        server.kill()
        for each in people:
            each.emit("message:send", {"room": "lobby", "key": "meanwhile", "text": "hello"}, acks.append)
        until(lambda: len(acks) == len(people), "everybody is answered while it is away")
        assert {ack["error"]["code"] for ack in acks} == {"busy"}
        assert people[0].ok("typing", {"room": "lobby", "on": True})
        assert people[0].refused("room:history", {"room": "lobby", "before": 5})["code"] == "busy"
        status, missing = readiness(web.url)
        assert (status, missing[0]) == (503, "database:unreachable")
        assert requests.get(f"{web.url}/livez", timeout=WAIT).status_code == 200
        server.start()
        until(lambda: readiness(web.url) == (200, []), "it is ready again by itself")
        for each in people:
            each.say("lobby", "after", key="after")
        stored = {message["key"] for message in people[0].join("lobby", after=0)["messages"]}
        assert stored == {"before", "after"}
        assert all(each.connected for each in people)
    assert "hunter2" not in web.log.read_text()


@pytest.mark.parametrize(
    ("url", "code", "why"),
    [
        ("postgresql://ann:hunter2@127.0.0.1:1/x", 1, "cannot be reached: "),
        ("postgresql://ann:hunter2@127.0.0.1:1/x?foo=1", 2, "is no URL of a PostgreSQL database: "),
    ],
)
def test_a_start_without_it_fails_in_one_sentence_that_keeps_the_password(
    tmp_path: Path, url: str, code: int, why: str
) -> None:
    done = ended(["wsgi.py"], {"PORT": str(free_port()), "DATA_DIR": str(tmp_path), **on(url)})
    (sentence,) = done.stderr.splitlines()
    assert why in sentence
    assert "hunter2" not in done.stderr + done.stdout
    assert done.returncode == code
