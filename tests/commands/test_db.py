"""`python -m app db` on both databases."""

from __future__ import annotations

import fcntl
import json
import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.store.migrations import NEWEST
from tests.cluster import Cluster
from tests.web import ended

VERSION_1 = Path(__file__).parents[1] / "store" / "fixtures" / "version_1.sql"


def db(command: str, settings: dict[str, str]) -> list[dict[str, str]]:
    """What the command prints."""
    done = ended(["-m", "app", "db", command, "--json"], settings)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.fixture
def old(tmp_path: Path) -> dict[str, str]:
    """Settings of a SQLite database of an early release."""
    with closing(sqlite3.connect(tmp_path / "spillway.db")) as connection:
        connection.executescript(VERSION_1.read_text())
    return {"DATA_DIR": str(tmp_path)}


@pytest.fixture
def empty(cluster: Cluster) -> dict[str, str]:
    """Settings of a new PostgreSQL database."""
    return {"DATABASE_URL": cluster.database(), "SECRET_KEY": secrets.token_hex(32)}


def test_an_old_file_is_shown_and_brought_up_to_date(old: dict[str, str]) -> None:
    (before,) = db("current", old)
    assert (before["version"], before["newest"]) == ("0001", NEWEST)

    (after,) = db("upgrade", old)

    assert after == {**before, "version": NEWEST}


def test_a_file_in_use_is_looked_at_and_not_changed(old: dict[str, str], tmp_path: Path) -> None:
    with open(tmp_path / "spillway.db.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (now,) = db("current", old)
        refused = ended(["-m", "app", "db", "upgrade"], old)
    assert now["version"] == "0001"
    assert refused.stderr.startswith("Error: another web process uses ")


@pytest.mark.slow
def test_looking_makes_no_file(tmp_path: Path) -> None:
    (now,) = db("current", {"DATA_DIR": str(tmp_path / "not-there")})
    assert now["version"] == "none"
    assert not (tmp_path / "not-there").exists()


def test_a_new_database_on_a_server_is_made(empty: dict[str, str]) -> None:
    (before,) = db("current", empty)
    assert before["version"] == "none"

    assert db("upgrade", empty) == [{**before, "version": NEWEST}]
    assert before["database"].startswith("postgresql://127.0.0.1:")


@pytest.mark.slow
def test_several_that_start_at_once_make_the_tables_once(empty: dict[str, str]) -> None:
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(db, ["upgrade"] * 4, [empty] * 4))
    assert [rows[0]["version"] for rows in found] == [NEWEST] * 4


def test_a_server_that_is_away_is_named_in_one_sentence() -> None:
    url = "postgresql://ann:hunter2@127.0.0.1:1/x"
    done = ended(["-m", "app", "db", "current"], {"DATABASE_URL": url, "SECRET_KEY": secrets.token_hex(32)})
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the database postgresql://127.0.0.1:1/x cannot be reached: ")
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr
