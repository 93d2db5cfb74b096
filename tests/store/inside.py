"""The insides of a store on SQLite, for tests that have them fail."""

from __future__ import annotations

from sqlalchemy import Connection, NullPool, create_engine

from app.store.local import Local
from app.store.postgres.database import Postgres
from app.store.postgres.writing import GroupWriter
from app.store.sqlite import Sqlite
from app.store.store import Store
from tests.own_loop import OwnLoop


def sqlite_of(store: Store) -> Sqlite:
    """Its database."""
    assert isinstance(store._database, Sqlite)
    return store._database


def local_of(store: Store) -> Local:
    """Its way to commit groups."""
    assert isinstance(store.writer.commits, Local)
    return store.writer.commits


def groups_of(store: Store) -> GroupWriter:
    """What writes its groups to PostgreSQL."""
    assert isinstance(store._database, Postgres)
    return store._database.groups


def stop_looking(store: Store) -> None:
    """Have it look after its server no more."""
    assert isinstance(store._database, Postgres)
    store._database._stop_looking()


def other_connection(store: Store, url: str) -> Connection:
    """A connection that the store knows nothing of."""
    if isinstance(store._database, Sqlite):
        return store._database.connect()
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool).connect()


def kill(store: Store, own: OwnLoop) -> None:
    """Its process is gone: what is under way is lost, and its threads have ended."""
    store.writer.stop()
    store._reads.stop()
    database = store._database
    if isinstance(database, Sqlite):
        database.stop()
        return
    assert isinstance(database, Postgres)
    database._changes.stop()
    sessions = [store._reads, database._changes]
    own.until(lambda: all(each.done() for session in sessions for each in session._ended))
    connections = [each.connection.driver_connection for session in sessions for each in session._held.values()]
    for connection in [*connections, database.groups._connection]:
        if connection is not None:
            connection.pgconn.finish()
