"""LEDGER=off, the plain original for comparison: it runs and shows jobs, keeps nothing, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.faults.parts import Broker
from tests.guest import WAIT, Guest
from tests.web import Web


@pytest.fixture(scope="module")
def web(copy: Path, parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process without a ledger, though there is a broker."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    url = f"nats://127.0.0.1:{broker.port}"
    with Web(tmp_path_factory.mktemp("data"), root=copy, LEDGER="off", NATS_URL=url) as web:
        yield web
    broker.close()


@pytest.fixture
def ann(web: Web, guests: Callable[..., Guest]) -> Guest:
    """Ann, in the lobby."""
    guest = guests(web.url, "Ann")
    guest.join("lobby")
    return guest


def test_it_says_at_start_what_it_gives_up(web: Web) -> None:
    log = web.log.read_text()
    assert "LEDGER=off" in log
    for loss in ("is lost", "not tried again", "no dead letter", "in any order", "cancelled"):
        assert loss in log


def test_jobs_run_and_are_shown(ann: Guest) -> None:
    asked = ann.ask("lobby", "moody", mood="fine")
    assert ann.final(asked["id"])["result"] == {"mood": "fine"}
    assert [each["state"] for each in ann.all("job:update", id=asked["id"])] == ["succeeded"]


def test_a_job_that_takes_a_while_is_shown_running(ann: Guest) -> None:
    asked = ann.ask("lobby", "sleepy", seconds=0.3)
    ann.final(asked["id"])
    assert [each["state"] for each in ann.all("job:update", id=asked["id"])] == ["running", "succeeded"]


def test_a_failure_is_shown_and_neither_retried_nor_kept(web: Web, ann: Guest) -> None:
    asked = ann.ask("lobby", "moody", mood="away")
    final = ann.final(asked["id"])
    assert (final["state"], final["attempt"]) == ("failed", 1)
    assert ann.saw("message:new", job=asked["id"])["text"].endswith("this did not work (1 try).")
    assert requests.get(f"{web.url}/api/dead-letters", timeout=WAIT).json() == {"dead_letters": []}


def test_a_job_cannot_be_looked_up_or_cancelled(web: Web, ann: Guest) -> None:
    asked = ann.ask("lobby", "moody", mood="fine")
    ann.final(asked["id"])
    answer = requests.get(f"{web.url}/api/jobs/{asked['id']}", timeout=WAIT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert ann.refused("job:cancel", {"job": asked["id"]})["code"] == "not_found"


@pytest.mark.parametrize("path", ["queued", "auto"])
def test_a_flag_that_needs_the_queue_is_a_conflict(web: Web, path: str) -> None:
    answer = requests.put(f"{web.url}/api/flags/moody", json={"path": path}, timeout=WAIT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert "LEDGER" in answer.json()["error"]["message"]
    assert requests.get(f"{web.url}/readyz", timeout=WAIT).ok


def test_messages_are_kept_all_the_same(web: Web, ann: Guest, guests: Callable[..., Guest], room: str) -> None:
    ann.join(room)
    ann.say(room, "Before")
    web.process.kill()
    web.process.wait(WAIT)
    web.start()
    assert [each["text"] for each in guests(web.url, "Ben").join(room)["messages"]] == ["Before"]
