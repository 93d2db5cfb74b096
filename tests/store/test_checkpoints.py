"""The log is moved into the file and started over, while everybody goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.store import checkpoints
from app.store.operation import Operation, Rows, add_row
from app.store.schema import messages
from app.store.store import Store
from tests.own_loop import OwnLoop
from tests.store.inside import sqlite_of

KILOBYTE = 1024


class Large(Operation):
    """A message of so many bytes."""

    def __init__(self, seq: int, size: int) -> None:
        self.seq, self.size = seq, size

    def prepare(self, rows: Rows) -> None:
        """One row."""
        text = "x" * self.size
        add_row(rows, "message", ("r", self.seq, str(self.seq), None, "a", "A", "user", text, None, None, None, 0.0))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of `store`."""
    return tmp_path / "x.db-wal"


def write(own: OwnLoop, store: Store, first: int, last: int) -> None:
    """Store messages of 20 kB."""
    for seq in range(first, last + 1):
        store.add(Large(seq, 20 * KILOBYTE))
    own.run(store.settled())


def count(path: Path) -> int:
    """How many messages another reader sees."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])


def test_a_log_past_its_bound_is_started_over(
    own: OwnLoop, store: Store, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "BEGIN_BYTES", 100 * KILOBYTE)
    monkeypatch.setattr(checkpoints, "RESTART_BYTES", 200 * KILOBYTE)
    write(own, store, 1, 50)
    salt = log.read_bytes()[16:24]  # changes each time the log is started over (sqlite.org/fileformat2.html, 4.1)

    seq = 50

    def started_over() -> bool:
        nonlocal seq
        seq += 1
        store.add(Large(seq, 10))
        return log.read_bytes()[16:24] != salt

    own.until(started_over)
    own.run(store.settled())

    assert own.run(store.read(lambda c: c.execute(select(func.count()).select_from(messages)).scalar())) == seq
    assert log.stat().st_size < 4 << 20


def test_a_reader_keeps_its_snapshot_and_a_checkpoint_goes_on_without_it(
    own: OwnLoop, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "BEGIN_BYTES", KILOBYTE)
    monkeypatch.setattr(checkpoints, "RESTART_BYTES", KILOBYTE)
    write(own, store, 1, 3)
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (3,)
        write(own, store, 4, 30)

        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (3,)
    assert count(tmp_path / "x.db") == 30


def test_a_full_disk_has_the_log_cut_to_nothing(own: OwnLoop, store: Store, log: Path) -> None:
    write(own, store, 1, 20)
    assert log.stat().st_size > 0

    sqlite_of(store).checkpoints.cut()
    own.until(lambda: log.stat().st_size == 0)
    write(own, store, 21, 22)

    assert own.run(store.read(lambda c: c.execute(select(func.count()).select_from(messages)).scalar())) == 22


def test_one_that_fails_is_made_later(
    own: OwnLoop, store: Store, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as reader:
        write(own, store, 1, 20)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        write(own, store, 21, 22)
        monkeypatch.setattr(checkpoints, "LOCK_SECONDS", 0.1)
        sqlite_of(store).checkpoints.cut()  # cannot be: somebody reads from the log
    sqlite_of(store).checkpoints.cut()

    own.until(lambda: log.stat().st_size == 0)
