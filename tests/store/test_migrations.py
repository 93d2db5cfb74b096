"""A database of an earlier release is brought up to date and loses nothing; one of a later release is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from app.chat import reading
from app.jobs import ledger
from app.store import migrations
from app.store.errors import StoreRefused
from app.store.store import Store
from tests.own_loop import OwnLoop

VERSION_1 = Path(__file__).parent / "fixtures" / "version_1.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that the last release before migrations made, with something of everything."""
    made = tmp_path / "old.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.executescript(VERSION_1.read_text())
    return made


@pytest.fixture
def own() -> Iterator[OwnLoop]:
    made = OwnLoop()
    yield made
    made.join()
    made.close()


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, by table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}


def schema(path: Path) -> dict[str, Any]:
    """Every table's columns and indexes, as SQLite understands them."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return {
            "version": connection.execute("SELECT version_num FROM alembic_version").fetchall(),
            "user_version": connection.execute("PRAGMA user_version").fetchone(),
            "indexes": {name: " ".join(sql.lower().replace('"', "").split()) for name, sql in indexes},
            **{name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in tables},
            "unique": {
                name: sorted(
                    tuple(row[2] for row in connection.execute(f"PRAGMA index_info({index[1]})"))
                    for index in connection.execute(f"PRAGMA index_list({name})")
                    if index[2]
                )
                for name in tables
            },
        }


def bring_up_to_date(path: Path) -> None:
    """As a start does."""
    engine = create_engine(f"sqlite:///{path}")
    try:
        migrations.bring_up_to_date(engine, str(path))
    finally:
        engine.dispose()


def test_no_row_and_no_value_is_lost(path: Path) -> None:
    before = rows(path)

    bring_up_to_date(path)

    after = rows(path)
    assert all(before.values())
    for table, old in before.items():
        assert len(after[table]) == len(old), table
        for row, found in zip(
            sorted(old, key=lambda row: str(row.get("id"))),
            sorted(after[table], key=lambda row: str(row.get("id"))),
            strict=True,
        ):
            kept = {name: value for name, value in row.items() if name != "trace"}  # made from the ID since
            assert {name: found[name] for name in kept} == kept


def test_the_fixture_has_jobs_in_every_state(path: Path) -> None:
    found = {(row["state"], row["delivered"], row["dead"]) for row in rows(path)["jobs"]}
    assert found >= {
        *((state, 0, 0) for state in ("accepted", "running", "retrying", "succeeded")),
        *((state, 1, 0) for state in ("succeeded", "failed", "cancelled", "skipped")),
        ("failed", 1, 1),
    }
    assert {row["kind"] for row in rows(path)["messages"]} == {"user", "ml", "system"}


def test_what_migrations_make_is_what_a_new_database_has(path: Path, tmp_path: Path) -> None:
    bring_up_to_date(path)
    bring_up_to_date(tmp_path / "new.db")

    assert schema(path) == schema(tmp_path / "new.db")


def test_texts_that_were_being_written_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "spillway.db"
    bring_up_to_date(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            DROP TABLE pieces;
            CREATE TABLE pieces (
                n INTEGER NOT NULL, attempt INTEGER NOT NULL, place INTEGER NOT NULL, text TEXT NOT NULL,
                PRIMARY KEY (n, attempt, place));
            INSERT INTO pieces VALUES (7, 1, 0, 'Drink '), (7, 1, 6, 'water'), (9, 1, 0, 'See a '), (9, 2, 0, 'Rest');
            UPDATE alembic_version SET version_num = '0008';
        """)

    bring_up_to_date(path)

    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT n, attempt, place, text FROM pieces ORDER BY n, place").fetchall()
    assert found == [(7, 1, 0, "Drink "), (7, 1, 6, "water"), (9, 2, 0, "Rest")]


def test_what_is_up_to_date_is_not_touched(path: Path) -> None:
    bring_up_to_date(path)
    before = path.read_bytes()

    bring_up_to_date(path)

    assert path.read_bytes() == before


def test_a_store_goes_on_with_what_the_last_release_left(path: Path, own: OwnLoop) -> None:
    store = Store(f"sqlite:///{path}", own)

    unfinished, newest = own.run(store.read(ledger.unfinished))
    kept = own.run(store.read(lambda connection: reading.rooms_as_kept(connection, {"lobby", "ward", "emptied"})))
    (page, more, _) = own.run(store.read(lambda connection: reading.older(connection, "lobby", 7, 10)))
    own.run(store.close())

    assert [job.id for job in unfinished] == [
        *("j-held", "j-accepted", "j-running", "j-retrying", "j-queued", "j-published", "j-running-queued", "j-ward")
    ]
    assert newest == 14
    assert kept == {"lobby": (6, {}), "ward": (1, {}), "emptied": (9, {})}
    assert [message.seq for message in page] == [1, 2, 3, 4, 5, 6]
    assert {job.id for job in more} == {"j-message", "j-skipped", "j-succeeded", "j-dead"}


def test_a_migration_that_fails_leaves_the_database_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE marks (name TEXT)")  # in the way of the last statement
        connection.commit()
    before = rows(path)

    with pytest.raises(Exception, match="marks already exists"):
        bring_up_to_date(path)

    assert rows(path) == before


@pytest.mark.parametrize(
    "change",
    ["UPDATE alembic_version SET version_num = '9999'", "DROP TABLE alembic_version; PRAGMA user_version = 7"],
    ids=["by migration", "by user_version"],
)
def test_a_database_of_a_newer_spillway_is_refused_and_left_alone(path: Path, own: OwnLoop, change: str) -> None:
    bring_up_to_date(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(change)
    before = rows(path)

    with pytest.raises(StoreRefused, match=r"has version .*, this Spillway knows versions up to 0009: run the newer"):
        Store(f"sqlite:///{path}", own)

    assert rows(path) == before


def test_the_last_release_refuses_what_it_cannot_write_any_more(path: Path) -> None:
    """It knows databases by their user_version alone: 0 and 1 are its own."""
    bring_up_to_date(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] > 1


def test_a_second_owner_is_refused_with_a_sentence(path: Path, own: OwnLoop) -> None:
    store = Store(f"sqlite:///{path}", own)
    with pytest.raises(StoreRefused, match=r"another web process uses .*: stop it, or give this one a DATA_DIR"):
        Store(f"sqlite:///{path}", own)
    own.run(store.close())

    own.run(Store(f"sqlite:///{path}", own).close())


def test_a_file_that_is_no_database_is_refused_with_a_sentence(path: Path, own: OwnLoop) -> None:
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreRefused, match="cannot be used"):
        Store(f"sqlite:///{path}", own)
