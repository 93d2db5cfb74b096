"""Bringing a database up to date at start, with alembic; what is up to date already costs one look."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from app.store.errors import StoreRefused
from app.store.schema import metadata

NEWEST = "0009"  # of the files in versions/
FIRST = "0001"  # how a database looks that was made before there were migrations: its user_version is 1
NOT_FIRST = 2  # user_version since: what came before migrations looks at it alone, and must not write here
LOCK = 0x5B111A7  # any number: of PostgreSQL's advisory locks it is ours


def bring_up_to_date(engine: Engine, name: str) -> None:
    """Migrate the database to the newest version; raises StoreRefused, by this name, when it is not ours or is newer."""
    with engine.begin() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:  # several processes may start at once: the first makes the tables, the others wait for it
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        found = _version(connection)
        if found == NEWEST:
            return
        if is_sqlite:
            # By hand, as sqlite3 begins no transaction for CREATE: a start that is killed here must leave all as it was.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if found is None:
            _make(connection, name)
            return
        known = sorted(path.name[:4] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
        if found not in known:
            raise StoreRefused(
                f"the database {name} has version {found}, this Spillway knows versions up to {NEWEST}: "
                "run the newer Spillway"
            )
        _upgrade(connection, found)


def current(engine: Engine) -> str | None:
    """The version the database has; None where there is nothing in it yet."""
    with engine.connect() as connection:
        return _version(connection)


def _version(connection: Connection) -> str | None:
    """The version the database has; None when it is new."""
    if inspect(connection).has_table("alembic_version"):
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    if connection.dialect.name != "sqlite":
        return None
    before = connection.exec_driver_sql("PRAGMA user_version").scalar()
    if before not in (0, 1):
        return f"user_version {before}"
    return FIRST if before == 1 else None


def _make(connection: Connection, name: str) -> None:
    """Make a new database as the migrations would leave it; tests/store holds the two against each other."""
    taken = set(inspect(connection).get_table_names()) & set(metadata.tables)
    if taken:
        raise StoreRefused(
            f"the database {name} has tables of somebody else ({', '.join(sorted(taken))}): give Spillway one of its own"
        )
    metadata.create_all(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": NEWEST})
    _mark(connection)


def _mark(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
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
    _mark(connection)
