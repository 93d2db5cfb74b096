"""Answers of one room and task come in the order asked, whatever happens to the jobs; rooms do not wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from app.compare.system import System
from tests.faults.parts import Broker
from tests.guest import Guest
from tests.lossless.evidence import Gate, until
from tests.lossless.worker import Worker
from tests.web import Web

Come = Callable[..., Guest]
JOBS = 24


@pytest.fixture(scope="module")
def pair(copy: Path, parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process with two workers."""
    folder = tmp_path_factory.mktemp("pair")
    broker = Broker(folder)
    url = f"nats://127.0.0.1:{broker.port}"
    with (
        Web(folder / "data", root=copy, NATS_URL=url, RATE_LIMIT="off") as web,
        Worker(copy, folder / "one.log", "--concurrency", "2", NATS_URL=url) as one,
        Worker(copy, folder / "two.log", "--concurrency", "2", NATS_URL=url) as two,
    ):
        flip(web, "queued")
        one.ready()
        two.ready()
        yield web
    broker.close()


def flip(web: Web, path: str) -> None:
    """Put every task on this path."""
    requests.put(f"{web.url}/api/flags/*", json={"path": path}, timeout=10).raise_for_status()


def ask_many(ann: Guest, room: str, book: Path, before: Callable[[int], None] = lambda number: None) -> list[str]:
    """Ask for jobs of which every third fails once and every fifth twice; returns them in the order asked."""
    asked = []
    for number in range(JOBS):
        before(number)
        fails = 2 if number % 5 == 0 else 1 if number % 3 == 0 else 0
        asked.append(ann.ask(room, "fickle", book=str(book), number=number, fails=fails)["id"])
    return asked


def in_order(ann: Guest, asked: list[str]) -> list[str]:
    """Check that each was answered once and in turn; returns the paths they took."""
    for number, id in enumerate(asked):
        final = ann.final(id)
        assert (final["state"], final["result"]) == ("succeeded", {"number": number})
    finals = [update for update in ann.all("job:update", task="fickle") if update["state"] == "succeeded"]
    assert [update["id"] for update in finals] == asked
    assert max(update["attempt"] for update in finals) == 3
    return [update["path"] for update in finals]


@pytest.mark.parametrize("path", ["simple", "queued"])
def test_with_retries_in_between_and_two_workers(pair: Web, guests: Come, room: str, tmp_path: Path, path: str) -> None:
    flip(pair, path)
    ann = guests(pair.url, "Ann")
    ann.join(room)
    assert set(in_order(ann, ask_many(ann, room, tmp_path / "book"))) == {path}


def test_while_the_flag_flips_back_and_forth(pair: Web, guests: Come, room: str, tmp_path: Path) -> None:
    ann = guests(pair.url, "Ann")
    ann.join(room)

    def before(number: int) -> None:
        if number % 4 == 0:
            flip(pair, "queued" if number % 8 else "simple")

    paths = in_order(ann, ask_many(ann, room, tmp_path / "book", before))

    assert set(paths) == {"simple", "queued"}


def test_a_slow_room_holds_up_its_own_answers_and_nobody_elses(
    workshop: System, path: str, guests: Come, room: str, gate: Gate, tmp_path: Path
) -> None:
    open_gate = Gate(tmp_path / "open")
    open_gate.open()
    ann, ben = guests(workshop.url, "Ann"), guests(workshop.url, "Ben")
    ann.join(room)
    ben.join(f"{room}-next-door")
    slow = ann.ask(room, "patient", gate=str(gate), number=1)
    until(gate.begun, "the slow one runs")
    behind = ann.ask(room, "patient", gate=str(open_gate), number=2)
    until(lambda: 2 in open_gate.begun(), "the one behind it runs")

    elsewhere = ben.ask(f"{room}-next-door", "patient", gate=str(open_gate), number=3)
    assert ben.final(elsewhere["id"])["result"] == {"number": 3}
    assert not [each for each in ann.all("job:update") if each["state"] == "succeeded"]

    gate.open()
    ann.final(behind["id"])
    finals = [each["id"] for each in ann.all("job:update") if each["state"] == "succeeded"]
    assert finals == [slow["id"], behind["id"]]
