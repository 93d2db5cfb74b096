"""The flags of one process, and what others change in the same database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from app.concurrency.threads import Threads
from app.flags.flags import Flags
from app.payload import Refused
from app.settings import from_env
from app.store import schema
from app.store.store import Store

Row = dict[str, Any]
WAIT = 10.0


@pytest.fixture
def threads() -> Threads:
    """A loop in a thread of its own."""
    return Threads()


@pytest.fixture
def store(either: str, threads: Threads) -> Iterator[Store]:
    opened = Store(either, threads)
    yield opened
    threads.await_(opened.close(), WAIT)


@pytest.fixture
def changes() -> list[Row]:
    """What clients were told."""
    return []


class Asked:
    """Flags whose coroutines are run to their end."""

    def __init__(self, flags: Flags, threads: Threads) -> None:
        self._flags, self._threads = flags, threads
        self.ask, self.wants_queue = flags.ask, flags.wants_queue

    def put(self, task: str, body: Any) -> Any:
        """As operators do."""
        return self._threads.await_(self._flags.put(task, body), WAIT)

    def unset(self, task: str) -> Any:
        """As operators do."""
        return self._threads.await_(self._flags.unset(task), WAIT)

    def look(self) -> None:
        """As it is done twice a second."""
        self._threads.await_(self._flags.look(), WAIT)


@pytest.fixture
def flags(store: Store, changes: list[Row], threads: Threads) -> Asked:
    made = Flags(store, from_env({"NATS_URL": "nats://127.0.0.1:9"}), ["language", "triage"])
    made.changed = changes.append
    return Asked(made, threads)


def test_a_change_by_another_process_is_taken_and_told(
    flags: Asked, store: Store, changes: list[Row], threads: Threads
) -> None:
    row = insert(schema.flags).values(task="triage", path="queued", percent=100)
    threads.await_(store.change(lambda connection: connection.execute(row) and None), WAIT)
    assert flags.ask("triage", "lobby") == "simple"
    flags.look()
    assert flags.ask("triage", "lobby") == "queued"
    assert changes == [{"task": "triage", "path": "queued", "percent": 100}]
    flags.look()
    assert len(changes) == 1


def test_a_look_that_began_before_a_change_does_not_undo_it(
    flags: Asked, store: Store, changes: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = store.read

    async def overtaken(query: Callable[..., Any]) -> Any:
        old = await read(query)
        await flags._flags.put("triage", {"path": "queued"})
        return old

    monkeypatch.setattr(store, "read", overtaken)
    flags.look()
    assert flags.ask("triage", "lobby") == "queued"
    assert [change["path"] for change in changes] == ["queued"]


def test_the_queue_is_wanted_while_any_flag_may_lead_there(flags: Asked) -> None:
    assert not flags.wants_queue()
    flags.put("triage", {"path": "auto", "percent": 1})
    assert flags.wants_queue()
    flags.unset("triage")
    assert not flags.wants_queue()


def test_an_unknown_task_has_no_flag(flags: Asked) -> None:
    with pytest.raises(Refused, match=r"\* or one of language, triage"):
        flags.put("nonsense", {"path": "simple"})
    with pytest.raises(Refused):
        flags.unset("nonsense")
