"""The store: one writer, groups, one owner."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, insert, select, text

from app.concurrency.threads import Threads
from app.store.store import Store, StoreRefused, StoreUnavailable
from app.store.tables import VERSION, flags, rooms


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'x.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url, Threads())
    yield opened
    opened.close()


def names(connection: Connection) -> set[str]:
    """The names of rooms."""
    return set(connection.execute(select(rooms.c.name)).scalars())


def busy(store: Store) -> threading.Event:
    """Keeps the writer busy until the event is set."""
    started, held = threading.Event(), threading.Event()
    store.write_soon(lambda _: started.set() or held.wait(30))  # type: ignore[func-returns-value]
    assert started.wait(30)
    return held


def test_what_was_written_is_read_and_outlives_the_process(url: str) -> None:
    for number in range(2):
        store = Store(url, Threads())
        store.write(lambda c, n=number: c.execute(insert(rooms).values(name=f"room-{n}", seq=1)) and None)  # type: ignore[misc]
        assert len(store.read(names)) == number + 1
        store.close()


def test_what_follows_a_commit_runs_in_the_order_of_commits_and_before_the_writer_returns(store: Store) -> None:
    order: list[int] = []
    numbers = iter(range(10_000))

    def one_after_another(who: int) -> None:
        for _ in range(25):
            mine = store.write(lambda _: next(numbers), then=order.append)
            assert mine in order

    people = [threading.Thread(target=one_after_another, args=(who,)) for who in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert order == sorted(order)
    assert len(order) == 200


def test_a_write_that_fails_takes_no_others_with_it(store: Store) -> None:
    held, failed = busy(store), []  # what comes next makes one group

    def write(name: str) -> None:
        def op(connection: Connection) -> None:
            connection.execute(insert(rooms).values(name=name, seq=1))
            if name == "bad":
                raise ValueError("a broken write")

        try:
            store.write(op, urgent=True)
        except ValueError:
            failed.append(name)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "bad", "c")]
    for writer in writers:
        writer.start()
    while len(store._urgent) < 4:  # all four wait for the writer
        pass
    held.set()
    for writer in writers:
        writer.join()
    assert failed == ["bad"]
    assert store.read(names) == {"a", "b", "c"}


def test_what_follows_is_not_done_for_a_write_that_failed(store: Store) -> None:
    followed: list[object] = []
    with pytest.raises(ZeroDivisionError):
        store.write(lambda _: 1 / 0, then=followed.append)
    assert followed == []


def test_a_failure_in_what_follows_does_not_stop_the_writer(store: Store) -> None:
    assert store.write(lambda _: 1, then=lambda _: [][0]) == 1
    assert store.write(lambda _: 2) == 2


def test_urgent_writes_overtake_others(store: Store) -> None:
    held, order = busy(store), list[str]()
    for number in range(20):
        store.write_soon(lambda _, n=number: order.append(f"later {n}"))  # type: ignore[misc]
    urgent = threading.Thread(target=lambda: store.write(lambda _: order.append("urgent"), urgent=True))
    urgent.start()
    while not store._urgent:
        pass
    held.set()
    urgent.join()
    store.write(lambda _: None)
    assert order.index("urgent") == 0
    assert len(order) == 21


def test_closing_commits_what_waits(url: str) -> None:
    store = Store(url, Threads())
    for number in range(50):
        store.write_soon(lambda c, n=number: c.execute(insert(rooms).values(name=f"room-{n}", seq=1)) and None)  # type: ignore[misc]
    store.close()
    again = Store(url, Threads())
    assert len(again.read(names)) == 50
    again.close()


def test_a_second_owner_is_refused_with_a_sentence(store: Store, url: str) -> None:
    with pytest.raises(StoreRefused, match=r"another web process uses .*: stop it, or give this one a DATA_DIR"):
        Store(url, Threads())
    assert store.write(lambda _: 1) == 1


def test_who_comes_after_the_owner_may_have_it(url: str) -> None:
    Store(url, Threads()).close()
    Store(url, Threads()).close()


def test_a_database_of_a_newer_spillway_is_refused_and_left_alone(url: str) -> None:
    Store(url, Threads()).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"PRAGMA user_version={VERSION + 1}"))
        connection.execute(insert(flags).values(task="*", path="simple", percent=1))
    engine.dispose()
    with pytest.raises(StoreRefused, match=f"version {VERSION + 1}"):
        Store(url, Threads())
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA user_version")).scalar() == VERSION + 1
        assert connection.execute(select(flags.c.percent)).scalar() == 1
    engine.dispose()


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreRefused, match="cannot be used"):
        Store(f"sqlite:///{tmp_path / 'x.db'}", Threads())


def test_a_read_of_a_table_that_is_gone_is_unavailable_and_not_a_crash(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        store.read(lambda c: c.execute(text("select * from nothing")))
    assert store.read(names) == set()
