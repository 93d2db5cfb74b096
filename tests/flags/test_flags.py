"""The flags of one process, and what others change in the same database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from app.concurrency.threads import Threads
from app.flags.flags import Flags
from app.payload import Refused
from app.settings import from_env
from app.store import tables
from app.store.store import Store

Row = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'x.db'}", Threads())
    yield opened
    opened.close()


@pytest.fixture
def changes() -> list[Row]:
    """What clients were told."""
    return []


@pytest.fixture
def flags(store: Store, changes: list[Row]) -> Flags:
    return Flags(store, from_env({"NATS_URL": "nats://127.0.0.1:9"}), ["language", "triage"], changes.append)


def test_a_change_by_another_process_is_taken_and_told(flags: Flags, store: Store, changes: list[Row]) -> None:
    store.write(lambda c: c.execute(insert(tables.flags).values(task="triage", path="queued", percent=100)) and None)
    assert flags.ask("triage", "lobby") == "simple"
    flags.look()
    assert flags.ask("triage", "lobby") == "queued"
    assert changes == [{"task": "triage", "path": "queued", "percent": 100}]
    flags.look()
    assert len(changes) == 1


def test_a_look_that_began_before_a_change_does_not_undo_it(
    flags: Flags, store: Store, changes: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = store.read

    def overtaken(query: Callable[..., Any]) -> Any:
        old = read(query)
        flags.put("triage", {"path": "queued"})
        return old

    monkeypatch.setattr(store, "read", overtaken)
    flags.look()
    assert flags.ask("triage", "lobby") == "queued"
    assert [change["path"] for change in changes] == ["queued"]


def test_the_queue_is_wanted_while_any_flag_may_lead_there(flags: Flags) -> None:
    assert not flags.wants_queue()
    flags.put("triage", {"path": "auto", "percent": 1})
    assert flags.wants_queue()
    flags.unset("triage")
    assert not flags.wants_queue()


def test_an_unknown_task_has_no_flag(flags: Flags) -> None:
    with pytest.raises(Refused, match=r"\* or one of language, triage"):
        flags.put("nonsense", {"path": "simple"})
    with pytest.raises(Refused):
        flags.unset("nonsense")
