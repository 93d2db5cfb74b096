"""Operations in groups: all of a group is kept or nothing, in order, and nobody is told what is not so."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from app.store.errors import StoreConflict, StoreUnavailable
from app.store.operation import Look, Operation, Rows, add_row
from app.store.schema import messages, rooms
from app.store.store import Store
from tests.own_loop import OwnLoop
from tests.store.inside import local_of, sqlite_of

numbers = itertools.count(1)


class Put(Operation):
    """Stores a message under this key, and notes in `told` what becomes of it."""

    def __init__(self, key: str, told: list[str], urgent: bool = False, expires: float | None = None) -> None:
        self.key, self.told, self.urgent, self.expires = key, told, urgent, expires
        self.seq = next(numbers)

    def prepare(self, rows: Rows) -> None:
        """One row."""
        self.told.append(f"prepare {self.key}")
        row = ("r", self.seq, self.key, self.key, "ann", "Ann", "user", "hello", None, None, None, 0.0)
        add_row(rows, "message", row)

    def undo(self) -> None:
        """Nothing was changed in memory."""
        self.told.append(f"undo {self.key}")

    def done(self, effects: Any) -> None:
        """It is committed."""
        self.told.append(f"done {self.key}")
        effects.append(self.key)

    def failed(self, effects: Any, error: Exception) -> None:
        """It is not, and never will be."""
        self.told.append(f"failed {self.key}")

    def by_key(self) -> Look:
        """Those under its key."""
        return "SELECT count(*) FROM messages WHERE key = ?", (self.key,)

    def conflict(self, effects: Any, row: Any) -> None:
        """It was there before."""
        self.told.append(f"conflict {self.key}, {row[0]} there")


class Wrong(Put):
    """Has a mistake."""

    def prepare(self, rows: Rows) -> None:
        """Adds a row, and then fails."""
        super().prepare(rows)
        raise ZeroDivisionError


class Upset(Put):
    """Has a mistake in what follows."""

    def done(self, effects: Any) -> None:
        """Fails after the commit."""
        super().done(effects)
        raise ZeroDivisionError


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def published(store: Store) -> list[list[str]]:
    """The effects of each commit."""
    effects: list[list[str]] = []
    store.writer.publish = effects.append
    return effects


@pytest.fixture
def other(store: Store, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection."""
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture(params=["on the loop", "in the thread"])
def where(request: pytest.FixtureRequest, store: Store) -> str:
    """Where groups are written."""
    if request.param == "in the thread":
        local_of(store)._quiet_until = float("inf")
    return str(request.param)


def keys(connection: Connection) -> list[str]:
    """What is stored."""
    return sorted(connection.execute(select(messages.c.id)).scalars())


def stored(own: OwnLoop, store: Store) -> list[str]:
    """What is stored, once nothing is under way."""
    own.run(store.settled())
    return own.run(store.read(keys))


def fill_disk(store: Store) -> Callable[[], None]:
    """No page more can be had; returns what makes room again."""
    run = sqlite_of(store)._connection.execute
    most, size = run("PRAGMA max_page_count").fetchone()[0], run("PRAGMA page_count").fetchone()[0]
    run(f"PRAGMA max_page_count={size}")

    def free() -> None:
        run(f"PRAGMA max_page_count={most}")

    return free


class Large(Put):
    """Needs many pages."""

    def prepare(self, rows: Rows) -> None:
        """One row, and a large one."""
        super().prepare(rows)
        row = rows["message"][-1]
        rows["message"][-1] = (*row[:7], "x" * 100_000, *row[8:])


@pytest.mark.usefixtures("where")
def test_what_is_added_in_one_round_is_one_group_with_its_effects_in_order(
    own: OwnLoop, store: Store, told: list[str], published: list[list[str]]
) -> None:
    for key in "abc":
        store.add(Put(key, told))

    assert stored(own, store) == ["a", "b", "c"]
    assert told == ["prepare a", "prepare b", "prepare c", "done a", "done b", "done c"]
    assert published == [["a", "b", "c"]]


def test_what_people_wait_for_goes_first(own: OwnLoop, store: Store, told: list[str], published: Any) -> None:
    store.add(Put("later", told))
    store.add(Put("now", told, urgent=True))

    own.run(store.settled())

    assert published == [["now", "later"]]


@pytest.mark.usefixtures("where")
def test_a_group_that_is_refused_is_undone_in_reverse_and_none_of_it_is_kept(
    own: OwnLoop, store: Store, told: list[str]
) -> None:
    free = fill_disk(store)
    soon = own.loop.time() + 5
    for each in (Put("a", told, expires=soon), Large("b", told, expires=soon), Put("c", told, expires=soon)):
        store.add(each)

    own.run(store.settled())
    free()

    assert stored(own, store) == []
    assert told[3:] == ["undo c", "undo b", "undo a", "failed a", "failed b", "failed c"]


@pytest.mark.usefixtures("where")
def test_after_a_conflict_each_is_committed_alone_and_only_one_is_told_so(
    own: OwnLoop, store: Store, told: list[str], published: list[list[str]]
) -> None:
    store.add(Put("b", told))
    own.run(store.settled())
    told.clear()

    for key in "abc":
        store.add(Put(key, told))

    assert stored(own, store) == ["a", "b", "c"]
    assert [each for each in told if "prepare" not in each and "undo" not in each] == [
        "done a",
        "conflict b, 1 there",
        "done c",
    ]
    assert [each for effects in published[1:] for each in effects] == ["a", "c"]


def test_two_under_one_key_in_one_group_are_one_and_a_resend(own: OwnLoop, store: Store, told: list[str]) -> None:
    store.add(Put("a", told))
    store.add(Put("a", told))

    assert stored(own, store) == ["a"]
    assert told[-2:] == ["undo a", "conflict a, 1 there"]
    assert told.count("done a") == 1


@pytest.mark.usefixtures("where")
def test_what_somebody_elses_lock_holds_up_is_committed_when_it_is_gone(
    own: OwnLoop, store: Store, told: list[str], other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    store.add(Put("a", told, urgent=True, expires=own.loop.time() + 100))
    store.add(Put("b", told))
    own.until(lambda: told.count("undo a") > 2)
    store.add(Put("c", told))
    other.execute("ROLLBACK")

    assert stored(own, store) == ["a", "b", "c"]
    assert [each for each in told if each.startswith("done")] == ["done a", "done b", "done c"]


@pytest.mark.usefixtures("where")
def test_who_waited_too_long_for_a_lock_is_told_so_and_never_stored_later(
    own: OwnLoop, store: Store, told: list[str], other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    store.add(Put("gone", told, urgent=True, expires=own.loop.time() + 4))
    store.add(Put("kept", told))
    own.until(lambda: "undo gone" in told)
    own.clock.ahead += 5
    own.until(lambda: "failed gone" in told)
    other.execute("ROLLBACK")

    assert stored(own, store) == ["kept"]
    assert "done gone" not in told


def test_a_group_that_hangs_in_the_thread_is_rolled_back_once_nobody_waits_any_more(
    own: OwnLoop, store: Store, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    local_of(store)._quiet_until = float("inf")
    write, hanging, go_on = sqlite_of(store).write, threading.Event(), threading.Event()

    def hang(rows: Rows, still_wanted: Callable[[], bool]) -> None:
        def asked() -> bool:
            hanging.set()
            go_on.wait(20)
            return still_wanted()

        write(rows, asked)

    monkeypatch.setattr(sqlite_of(store), "write", hang)
    store.add(Put("gone", told, urgent=True, expires=own.loop.time() + 4))
    own.until(hanging.is_set)
    own.clock.ahead += 5
    own.rounds(3)
    go_on.set()

    assert stored(own, store) == []
    assert told == ["prepare gone", "undo gone", "failed gone"]


def test_one_that_cannot_be_prepared_is_given_up_and_the_others_do_not_pay_for_it(
    own: OwnLoop, store: Store, told: list[str]
) -> None:
    for each in (Put("a", told), Wrong("wrong", told), Put("b", told)):
        store.add(each)

    assert stored(own, store) == ["a", "b"]
    assert told.count("failed wrong") == 1
    assert [each for each in told if each.startswith("done")] == ["done a", "done b"]


def test_one_that_cannot_be_prepared_again_does_not_stop_the_writer(
    own: OwnLoop, store: Store, told: list[str]
) -> None:
    class WrongAgain(Put):
        def prepare(self, rows: Rows) -> None:
            if "undo wrong" in told:
                raise ZeroDivisionError
            super().prepare(rows)

    store.add(Put("a", told))
    own.run(store.settled())
    for each in (WrongAgain("wrong", told), Put("a", told), Put("b", told)):
        store.add(each)

    assert stored(own, store) == ["a", "b"]
    assert "failed wrong" in told


def test_a_mistake_in_what_follows_does_not_keep_others_from_theirs(
    own: OwnLoop, store: Store, told: list[str]
) -> None:
    store.add(Upset("a", told))
    store.add(Put("b", told))

    assert stored(own, store) == ["a", "b"]
    assert told[-1] == "done b"


@pytest.mark.usefixtures("where")
def test_what_never_expires_is_stored_once_the_disk_has_room_again(own: OwnLoop, store: Store, told: list[str]) -> None:
    free = fill_disk(store)
    store.add(Large("large", told))
    own.until(lambda: "undo large" in told)
    free()
    own.clock.ahead += 1

    own.until(lambda: "done large" in told)

    assert stored(own, store) == ["large"]
    assert "failed large" not in told


def test_a_rare_change_goes_between_two_groups(own: OwnLoop, store: Store, told: list[str]) -> None:
    seen: list[list[str]] = []

    async def all_of_it() -> None:
        store.add(Put("a", told))
        change = own.loop.create_task(store.change(lambda connection: seen.append(keys(connection))))
        await store.settled()
        store.add(Put("b", told))
        await change
        await store.settled()

    own.run(all_of_it())

    assert seen == [["a"]]
    assert stored(own, store) == ["a", "b"]


def test_a_rare_change_that_fails_is_undone_and_says_why(own: OwnLoop, store: Store) -> None:
    def change(connection: Connection) -> None:
        connection.execute(insert(rooms).values(name="r", seq=1))
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        own.run(store.change(change))
    assert own.run(store.read(lambda c: c.execute(select(rooms.c.name)).all())) == []


def test_a_rare_change_waits_for_a_lock_and_gives_up_in_the_end(
    own: OwnLoop, store: Store, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    change = own.loop.create_task(store.change(lambda c: c.execute(insert(rooms).values(name="r", seq=1)).rowcount))
    own.rounds(3)
    own.clock.ahead += 6
    with pytest.raises(StoreUnavailable):
        own.run(_value(change))
    other.execute("ROLLBACK")

    assert own.run(store.change(lambda c: c.execute(insert(rooms).values(name="r", seq=1)).rowcount)) == 1


async def _value(task: Any) -> Any:
    return await task


def _says(running: bool, _: object) -> bool:
    return running


def _ignored(_: object, value: bool) -> None:
    return None


def test_the_thread_writes_while_a_checkpoint_keeps_the_disk_busy(
    own: OwnLoop, store: Store, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, writers = sqlite_of(store).write, list[threading.Thread]()

    def watched(rows: Rows, still_wanted: Callable[[], bool]) -> None:
        writers.append(threading.current_thread())
        write(rows, still_wanted)

    monkeypatch.setattr(sqlite_of(store), "write", watched)
    for running in (False, True):
        said = property(partial(_says, running), _ignored)  # whatever the checkpoints' own thread says
        monkeypatch.setattr(type(sqlite_of(store).checkpoints), "running", said, raising=False)
        store.add(Put(str(running), told))
        own.run(store.settled())

    assert writers[0] is threading.current_thread()
    assert writers[1] is not threading.current_thread()
    assert stored(own, store) == ["False", "True"]


def test_closing_commits_what_waits(own: OwnLoop, tmp_path: Path, told: list[str]) -> None:
    url = f"sqlite:///{tmp_path / 'y.db'}"
    first = Store(url, own)
    for number in range(500):
        first.add(Put(f"{number:03}", told))
    own.run(first.close())
    again = Store(url, own)

    assert len(stored(own, again)) == 500
    own.run(again.close())


def test_what_comes_after_the_end_is_left_to_the_next_process(
    own: OwnLoop, tmp_path: Path, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}", own)
    own.run(store.close())
    store.add(Put("late", told))
    own.rounds(5)
    assert told == []
    assert "could not be written" not in capsys.readouterr().out


def test_a_database_answers_for_its_own_errors(store: Store) -> None:
    row = ("r", 1, "i", None, "a", "A", "user", "x", None, None, None, 0.0)
    with pytest.raises(StoreConflict):
        sqlite_of(store).write({"message": [row, row]}, lambda: True)
    with pytest.raises(StoreUnavailable, match="took too long"):
        sqlite_of(store).write({"message": [row]}, lambda: False)
    assert sqlite_of(store).find("SELECT count(*) FROM messages", ()) == (0,)


class TooLarge(Put):
    """Its row is one that SQLite has no type for."""

    def __init__(self, key: str, told: list[str]) -> None:
        super().__init__(key, told)
        self.seq = 2**70


def test_a_row_the_database_cannot_take_is_the_fault_of_its_operation_alone(
    own: OwnLoop, store: Store, told: list[str], where: str
) -> None:
    for operation in (Put("before", told), TooLarge("wrong", told), Put("after", told)):
        store.add(operation)

    assert stored(own, store) == ["after", "before"]
    assert {"done before", "conflict wrong, 0 there", "done after"} <= set(told)


def test_a_mistake_in_what_follows_from_a_commit_does_not_stop_the_writer(
    own: OwnLoop, store: Store, told: list[str], where: str
) -> None:
    def publish(effects: list[str]) -> None:
        if effects == ["first"]:
            raise ZeroDivisionError

    store.writer.publish = publish
    store.add(Put("first", told))
    assert stored(own, store) == ["first"]
    store.add(Put("second", told))
    assert stored(own, store) == ["first", "second"]
