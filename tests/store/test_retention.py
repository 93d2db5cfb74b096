"""What is too old is removed; what somebody may still need stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from app.chat import reading
from app.jobs import ledger
from app.jobs.job import Job
from app.links import Links
from app.retention import AT_ONCE, remove, remove_unused
from app.store.operation import Operation, Rows, add_row
from app.store.schema import uploads
from app.store.store import Store
from app.uploads import Uploads
from tests.own_loop import OwnLoop

OLD, NEW, CUT = 1_000.0, 3_000.0, 2_000.0


@pytest.fixture
def store(own: OwnLoop, either: str) -> Iterator[Store]:
    """An open store."""
    opened = Store(either, own)
    yield opened
    own.run(opened.close())


class Write(Operation):
    """Stores these rows."""

    def __init__(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        self.statement, self.rows = statement, rows

    def prepare(self, rows: Rows) -> None:
        """All of them."""
        for row in self.rows:
            add_row(rows, self.statement, row)


@pytest.fixture
def put(own: OwnLoop, store: Store) -> Callable[[str, list[tuple[Any, ...]]], None]:
    """Stores rows by the writer's own statements."""

    def write(statement: str, rows: list[tuple[Any, ...]]) -> None:
        store.add(Write(statement, rows))
        own.run(store.settled())

    return write


@pytest.fixture
def images(own: OwnLoop, store: Store, tmp_path: Path) -> Uploads:
    """Images whose files are in the test's folder."""
    return Uploads(store, own, tmp_path, Links("k" * 32, ""), 1, None)  # type: ignore[arg-type]  # a loop and threads do


@pytest.fixture
def clean(own: OwnLoop, store: Store, images: Uploads) -> Callable[[], int]:
    """Removes what is too old."""
    return lambda: own.run(remove(store, CUT, images.discard))


def message(room: str, seq: int, at: float) -> tuple[Any, ...]:
    """A row."""
    return (room, seq, f"{room}-{seq}", None, "ann", "Ann", "user", "hello", None, None, None, at)


def job(n: int, id: str, at: float, **more: Any) -> tuple[Any, ...]:
    """A row."""
    values = {"state": "succeeded", "delivered": True, "args": "{}", **more}
    made = Job(n=n, id=id, room="r", task="t", path="simple", attempts=1, at=at, deadline=at, **values)
    return tuple(getattr(made, name) for name in Job.__struct_fields__)


def seqs(connection: Connection, room: str) -> list[int]:
    """Numbers of a room's messages."""
    return [each.seq for each in reading.older(connection, room, 10**9, 10_000)[0]]


Put = Callable[[str, list[tuple[Any, ...]]], None]
Clean = Callable[[], int]


def test_old_messages_go_and_new_ones_stay(own: OwnLoop, store: Store, put: Put, clean: Clean) -> None:
    put("message", [message("r", 1, OLD), message("r", 2, OLD), message("r", 3, NEW)])

    assert clean() == 2

    assert own.run(store.read(lambda c: seqs(c, "r"))) == [3]
    assert own.run(store.read(lambda c: reading.newest_seq(c, "r"))) == 3


def test_a_room_goes_on_counting_after_all_its_messages_were_removed(
    own: OwnLoop, store: Store, put: Put, clean: Clean
) -> None:
    put("message", [message("r", 1, OLD), message("other", 1, NEW), message("r", 2, OLD)])
    clean()
    assert own.run(store.read(lambda c: reading.rooms_as_kept(c, {"r", "other", "new"}))) == {
        "r": (2, {}),
        "other": (1, {}),
        "new": (0, {}),
    }

    put("message", [message("r", 3, OLD)])
    clean()

    assert own.run(store.read(lambda c: reading.newest_seq(c, "r"))) == 3


def test_old_finished_jobs_go_while_dead_letters_and_unfinished_ones_stay(
    own: OwnLoop, store: Store, put: Put, clean: Clean
) -> None:
    put(
        "job",
        [
            job(1, "finished", OLD),
            job(2, "dead", OLD, state="failed", dead=True),
            job(3, "running", OLD, state="running", delivered=False),
            job(4, "held", OLD, delivered=False),
            job(5, "parked", OLD, state="accepted", delivered=False, parked=True),
            job(int(NEW * 1e6) << 10, "young", NEW),
        ],
    )

    assert clean() == 1

    assert {each.id for each in own.run(store.read(lambda c: ledger.newest(c, 10)))} == {
        *("dead", "running", "held", "parked", "young")
    }


def test_old_uploads_go_with_their_files(own: OwnLoop, store: Store, tmp_path: Path, clean: Clean) -> None:
    for id, at in (("old", OLD), ("new", NEW)):
        (tmp_path / id).write_bytes(b"image")
        values = {
            "id": id,
            "room": "r",
            "type": "image/png",
            "bytes": 5,
            "width": 1,
            "height": 1,
            "at": at,
            "used": True,
        }
        own.run(store.change(lambda c, values=values: c.execute(insert(uploads), values).rowcount))  # type: ignore[misc]

    clean()

    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new").exists()
    assert own.run(store.read(lambda c: c.execute(select(uploads.c.id)).scalars().all())) == ["new"]


def test_a_delayed_job_stays_with_its_image(own: OwnLoop, store: Store, tmp_path: Path, put: Put, clean: Clean) -> None:
    for id in ("needed", "other"):
        (tmp_path / id).write_bytes(b"image")
        values = {
            "id": id,
            "room": "r",
            "type": "image/png",
            "bytes": 5,
            "width": 1,
            "height": 1,
            "at": OLD,
            "used": True,
        }
        own.run(store.change(lambda c, values=values: c.execute(insert(uploads), values).rowcount))  # type: ignore[misc]
    delayed = {"state": "accepted", "delivered": False, "parked": True, "due": NEW + 1e9}
    put("job", [job(1, "delayed", OLD, args='{"upload":"needed"}', **delayed), job(2, "delayed too", OLD, **delayed)])

    clean()

    assert {path.name for path in tmp_path.iterdir()} >= {"needed"}
    assert not (tmp_path / "other").exists()
    assert {each.id for each in own.run(store.read(lambda c: ledger.newest(c, 10)))} == {"delayed", "delayed too"}


def test_images_nobody_uses_go_an_hour_after_they_were_sent(
    own: OwnLoop, store: Store, tmp_path: Path, put: Put, images: Uploads
) -> None:
    now = time.time()
    for id, at in (("shown", OLD), ("forgotten", OLD), ("just sent", now)):
        (tmp_path / id).write_bytes(b"image")
        values = {"id": id, "room": "r", "type": "image/png", "bytes": 5, "width": 1, "height": 1, "at": at}
        own.run(store.change(lambda c, values=values: c.execute(insert(uploads), values | {"used": False}).rowcount))  # type: ignore[misc]
    put("use", [("shown",)])

    own.run(remove_unused(store, images.discard))

    assert {path.name for path in tmp_path.iterdir()} >= {"shown", "just sent"}
    assert not (tmp_path / "forgotten").exists()
    kept = own.run(store.read(lambda c: set(c.execute(select(uploads.c.id)).scalars())))
    assert kept == {"shown", "just sent"}


def test_more_than_one_write_may_remove_is_removed_all_the_same(
    own: OwnLoop, store: Store, put: Put, clean: Clean
) -> None:
    put("message", [message("r", seq, OLD) for seq in range(1, AT_ONCE * 2 + 10)])
    put("job", [job(n, str(n), OLD) for n in range(1, AT_ONCE + 10)])

    assert clean() == AT_ONCE * 2 + 9 + AT_ONCE + 9
    assert clean() == 0
