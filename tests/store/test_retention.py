"""What is too old is removed; what somebody may still need stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from app import messages
from app.concurrency.threads import Threads
from app.jobs import ledger
from app.jobs.job import Job
from app.messages import Person
from app.store.retention import remove
from app.store.store import Store
from app.store.tables import uploads

OLD, NEW, CUT = 1_000.0, 3_000.0, 2_000.0
ANN = Person("ann", "Ann")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'x.db'}", Threads())
    yield opened
    opened.close()


def job(id: str, at: float, **more: object) -> Job:
    values = {"state": "succeeded", "delivered": True, **more}
    return Job(id=id, room="r", task="t", args="{}", path="simple", attempts=1, at=at, deadline=at, **values)  # type: ignore[arg-type]


def test_old_messages_go_and_the_room_goes_on_counting(store: Store, tmp_path: Path) -> None:
    for key, at in (("a", OLD), ("b", OLD), ("c", NEW)):
        store.write(lambda c, key=key, at=at: messages.add_from_user(c, ANN, "r", key, "hello", None, at))  # type: ignore[misc]

    assert remove(store, CUT, tmp_path) == 2

    assert [m.seq for m in store.read(lambda c: messages.after(c, "r", 0, 10))] == [3]
    added = store.write(lambda c: messages.add_from_user(c, ANN, "r", "d", "hello", None, NEW))
    assert added.seq == 4


def test_old_finished_jobs_go_while_dead_letters_and_unfinished_ones_stay(store: Store, tmp_path: Path) -> None:
    rows = [
        job("finished", OLD),
        job("dead", OLD, state="failed", dead=True),
        job("unfinished", OLD, state="running", delivered=False),
        job("young", NEW),
    ]
    store.write(lambda c: ledger.add(c, rows))

    remove(store, CUT, tmp_path)

    assert {each.id for each in store.read(lambda c: ledger.newest(c, 10))} == {"dead", "unfinished", "young"}


def test_old_uploads_go_with_their_files(store: Store, tmp_path: Path) -> None:
    for id, at in (("old", OLD), ("new", NEW)):
        (tmp_path / id).write_bytes(b"image")
        values = {"id": id, "room": "r", "type": "image/png", "bytes": 5, "width": 1, "height": 1, "at": at}
        store.write(lambda c, values=values: c.execute(insert(uploads), values) and None)  # type: ignore[misc]

    remove(store, CUT, tmp_path)

    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new").exists()
    assert store.read(lambda c: c.execute(select(uploads.c.id)).scalars().all()) == ["new"]
