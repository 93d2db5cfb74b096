"""A database that somebody else holds: everybody is answered meanwhile, and what was refused is not stored later."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.guest import Guest
from tests.lossless.evidence import until
from tests.web import Web

Come = Callable[..., Guest]
PEOPLE = 24


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Nobody else can write to it."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def sends(guest: Guest, key: str, acks: list[dict[str, Any]]) -> None:
    guest.emit("message:send", {"room": "lobby", "key": key, "text": f"{guest.name} {key}"}, acks.append)


@pytest.mark.parametrize("mode", ["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
def test_while_it_is_held_all_are_refused_in_time_and_nobody_is_cut_off(
    tmp_path: Path, guests: Come, mode: str
) -> None:
    with Web(tmp_path, ASYNC_MODE=mode, RATE_LIMIT="off", MAX_BACKLOG="0") as web:
        people = [guests(web.url, f"Guest {number}") for number in range(PEOPLE)]
        for each in people:
            each.join("lobby")
            each.say("lobby", "before", key="before")
        acks: list[dict[str, Any]] = []
        with held(tmp_path / "spillway.db"):
            for each in people:
                sends(each, "meanwhile", acks)
            until(lambda: len(acks) == PEOPLE, "everybody is answered while it is held")
            assert people[0].ok("typing", {"room": "lobby", "on": True})
            assert people[0].join("lobby")["seq"] == PEOPLE
        assert {ack["error"]["code"] for ack in acks} == {"busy"}
        assert all(ack["error"]["retry_after"] > 0 for ack in acks)
        assert all(each.connected for each in people)
        for each in people:
            each.say("lobby", "after", key="after")
        stored = {message["key"] for message in people[0].join("lobby", after=0)["messages"]}
        assert stored == {"before", "after"}
