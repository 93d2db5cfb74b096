"""A database that cannot be used: the web process ends with 2 and one sentence, and leaves the file as it was.

That a second web process on the same file is refused is in tests/run/test_web_process.py.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.compare.system import ROOT
from app.ports import free_port
from app.store.migrations import NEWEST
from tests.guest import WAIT, Guest
from tests.web import Web, environment


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a database with a hundred messages in it, whose web process has stopped."""
    folder = tmp_path_factory.mktemp("filled")
    with Web(folder, RATE_LIMIT="off", MAX_BACKLOG="0") as web:
        ann = Guest(web.url, "Ann")
        ann.join("lobby")
        for number in range(100):
            ann.say("lobby", f"Line {number} " * 50)
        ann.close()
    return folder


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Path:
    """A copy of that database, for a test to spoil."""
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return tmp_path / "spillway.db"


def refusal(data: Path) -> str:
    """The one sentence with which the start on this data ends."""
    done = subprocess.run(
        [sys.executable, "wsgi.py"],
        cwd=ROOT,
        env=environment(PORT=str(free_port()), DATA_DIR=str(data)),
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 2, done.stderr[-2000:]
    (sentence,) = done.stderr.splitlines()
    assert done.stdout == ""
    return sentence


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "spillway.db"
    path.write_bytes(b"Dear diary, " * 1000)

    sentence = refusal(tmp_path)

    assert str(path) in sentence
    assert "not a database" in sentence
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_a_database_damaged_inside_is_named(database: Path) -> None:
    whole = database.read_bytes()
    middle = 4096 * 3  # past the header and the schema: SQLite opens it without a word
    damaged = whole[:middle] + b"\xa5" * (len(whole) - middle)
    database.write_bytes(damaged)

    sentence = refusal(database.parent)

    assert str(database) in sentence
    assert "malformed" in sentence


def test_a_database_cut_short_is_named(database: Path) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])

    assert str(database) in refusal(database.parent)


def test_a_ledger_of_a_newer_spillway_is_left_alone(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("UPDATE alembic_version SET version_num = '9001'")
    connection.commit()
    connection.close()

    sentence = refusal(database.parent)

    assert "version 9001" in sentence
    assert f"up to {NEWEST}" in sentence
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9001",)
    assert connection.execute("SELECT count(*) FROM messages").fetchone() == (100,)
    connection.close()


def test_a_folder_where_the_database_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "spillway.db").mkdir()

    assert str(tmp_path / "spillway.db") in refusal(tmp_path)
