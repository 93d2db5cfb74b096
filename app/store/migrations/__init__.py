"""Bringing a database up to date at start, with alembic; what is up to date already costs one look."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect

from app.store.errors import StoreRefused
from app.store.schema import metadata

NEWEST = "0006"  # of the files in versions/
FIRST = "0001"  # how a database looks that was made before there were migrations: its user_version is 1
NOT_FIRST = 2  # user_version since: what came before migrations looks at it alone, and must not write here


def bring_up_to_date(engine: Engine, url: str) -> None:
    """Migrate the database to the newest version; raises StoreRefused when it is newer than this Spillway."""
    with engine.begin() as connection:
        found = _version(connection)
        if found == NEWEST:
            return
        # By hand, since sqlite3 begins no transaction for CREATE: a start that is killed here must leave all as it was.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if found is None:
            _make(connection)
            return
        known = sorted(path.name[:4] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
        if found not in known:
            raise StoreRefused(
                f"the database {url} has version {found}, this Spillway knows versions up to {NEWEST}: "
                "run the newer Spillway"
            )
        _upgrade(connection, found)


def _version(connection: Connection) -> str | None:
    """The version the database has; None when it is new."""
    if inspect(connection).has_table("alembic_version"):
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    before = connection.exec_driver_sql("PRAGMA user_version").scalar()
    if before not in (0, 1):
        return f"user_version {before}"
    return FIRST if before == 1 else None


def _make(connection: Connection) -> None:
    """Make a new database as the migrations would leave it; tests/store holds the two against each other."""
    metadata.create_all(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (NEWEST,))
    connection.exec_driver_sql(f"PRAGMA user_version={NOT_FIRST}")


def _upgrade(connection: Connection, found: str) -> None:
    # Here and not at the top: alembic takes a quarter of a second to load, and most starts need no migration.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    if found == FIRST and not inspect(connection).has_table("alembic_version"):
        command.stamp(config, FIRST)
    command.upgrade(config, "head")
    connection.exec_driver_sql(f"PRAGMA user_version={NOT_FIRST}")
