"""PostgreSQL keeps what SQLite keeps, and who was taken for dead stores nothing any more."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, insert, select

from app.ownership import claims
from app.store.errors import StoreRefused
from app.store.operation import Operation, Rows, add_row
from app.store.schema import messages, processes, rooms
from app.store.store import Store
from tests.cluster import Cluster
from tests.own_loop import WAIT, OwnLoop
from tests.store.test_writer import Put, keys, stored


@pytest.fixture
def url(cluster: Cluster) -> str:
    """A database of its own."""
    return cluster.database()


@pytest.fixture
def store(own: OwnLoop, url: str) -> Iterator[Store]:
    """An open store."""
    opened = Store(url, own)
    opened.writer.publish = lambda effects: None
    yield opened
    own.run(opened.close())


@pytest.fixture
def told() -> list[str]:
    return []


def failures(told: list[str]) -> list[str]:
    """What is not stored, and never will be."""
    return [each for each in told if each.startswith("failed")]


def test_what_is_added_is_stored_and_what_follows_is_told(own: OwnLoop, store: Store, told: list[str]) -> None:
    for key in "abc":
        store.add(Put(key, told))

    assert stored(own, store) == ["a", "b", "c"]
    assert told == ["prepare a", "prepare b", "prepare c", "done a", "done b", "done c"]


def test_after_a_conflict_each_is_committed_alone_and_only_one_is_told_so(
    own: OwnLoop, store: Store, told: list[str]
) -> None:
    store.add(Put("b", told))
    own.run(store.settled())
    told.clear()
    for key in "abc":
        store.add(Put(key, told))

    assert stored(own, store) == ["a", "b", "c"]
    outcome = [each for each in told if "prepare" not in each and "undo" not in each]
    assert outcome == ["done a", "conflict b, 1 there", "done c"]


def test_a_process_that_others_took_for_dead_stores_nothing_any_more(
    own: OwnLoop, store: Store, told: list[str]
) -> None:
    own.run(store.change(lambda c: claims.register(c, "me", "http://127.0.0.1:1", 7.5)))
    store.writer.fence = ("me", 7.5)
    store.add(Put("a", told))
    own.run(store.settled())
    own.run(store.change(lambda c: claims.bury(c, "me", 0)))
    store.add(Put("b", told))
    store.add(Put("c", told))
    own.run(store.settled())

    own.run(store.change(lambda c: claims.register(c, "me", "http://127.0.0.1:1", 8.5)))
    store.add(Put("d", told))  # it is there again, and does not know
    assert stored(own, store) == ["a"]
    assert len(failures(told)) == 3


def test_nobody_buries_a_process_between_the_check_and_the_commit(own: OwnLoop, store: Store, told: list[str]) -> None:
    own.run(store.change(lambda c: claims.register(c, "me", "http://127.0.0.1:1", 7.5)))
    store.writer.fence = ("me", 7.5)

    def bury(connection: Connection) -> None:
        assert claims.bury(connection, "me", 0)
        own.loop.call_soon_threadsafe(store.add, Put("late", told))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        give_up = time.monotonic() + WAIT
        while not connection.exec_driver_sql(waiting).scalar():
            assert time.monotonic() < give_up, "the check does not wait"

    own.run(store.change(bury))

    assert stored(own, store) == []
    assert len(failures(told)) == 1


def test_a_change_that_fails_is_undone(own: OwnLoop, store: Store) -> None:
    def change(connection: Connection) -> None:
        connection.execute(insert(rooms).values(name="r", seq=1))
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        own.run(store.change(change))
    assert own.run(store.read(lambda c: c.execute(select(rooms.c.name)).all())) == []


def test_the_tables_for_several_processes_are_there(own: OwnLoop, store: Store) -> None:
    row = {"id": "p1", "address": "http://127.0.0.1:1", "since": 1.0, "seen": 2.0, "draining": False}
    own.run(store.change(lambda c: c.execute(insert(processes).values(**row)) and None))
    assert own.run(store.read(lambda c: c.execute(select(processes)).one()._asdict())) == row
    assert store.shared


def test_two_rows_for_one_key_are_the_later_one(own: OwnLoop, store: Store) -> None:
    class Marks(Operation):
        def prepare(self, rows: Rows) -> None:
            for n in (1, 2):
                add_row(rows, "mark", ("unfinished", n))

    store.add(Marks())
    own.run(store.settled())
    assert own.run(
        store.read(lambda c: c.exec_driver_sql("SELECT name, n FROM marks WHERE name = 'unfinished'").all())
    ) == [("unfinished", 2)]


def test_text_is_kept_as_it_is_but_for_nul_which_the_server_refuses(own: OwnLoop, store: Store) -> None:
    said = 'a "quote" \\ \\u0000 \u2028 🙂 %s $1 \x00 end'

    class Says(Put):
        def prepare(self, rows: Rows) -> None:
            super().prepare(rows)
            row = rows["message"][-1]
            rows["message"][-1] = (*row[:7], said, *row[8:])

    store.add(Says("a", []))
    own.run(store.settled())
    found = own.run(store.read(lambda c: c.execute(select(messages.c.text)).scalar()))
    assert found == said.replace("\x00", "\ufffd")


def test_who_asks_for_nul_finds_what_was_stored_for_it(own: OwnLoop, store: Store) -> None:
    own.run(store.change(lambda c: c.execute(insert(rooms).values(name="a\0b", seq=1)) and None))
    found = own.run(store.read(lambda c: c.execute(select(rooms.c.name).where(rooms.c.name == "a\0b")).scalar()))
    assert found == "a\ufffdb"


def test_a_database_of_a_newer_spillway_is_refused_with_a_sentence(own: OwnLoop, url: str) -> None:
    own.run(Store(url, own).close())
    store = Store(url, own)
    own.run(store.change(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'") and None))
    own.run(store.close())
    with pytest.raises(StoreRefused, match=r"has version 9999, this Spillway knows versions up to \d+: run the newer"):
        Store(url, own)


def test_what_is_stored_is_there_after_a_restart(own: OwnLoop, url: str, told: list[str]) -> None:
    first = Store(url, own)
    first.add(Put("a", told))
    own.run(first.close())
    again = Store(url, own)
    assert own.run(again.read(keys)) == ["a"]
    own.run(again.close())
