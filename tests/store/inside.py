"""The insides of a store on SQLite, for tests that have them fail."""

from __future__ import annotations

from app.store.local import Local
from app.store.sqlite import Sqlite
from app.store.store import Store


def sqlite_of(store: Store) -> Sqlite:
    """Its database."""
    assert isinstance(store._database, Sqlite)
    return store._database


def local_of(store: Store) -> Local:
    """Its way to commit groups."""
    assert isinstance(store.writer.commits, Local)
    return store.writer.commits
