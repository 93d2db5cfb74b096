"""What can go wrong with the database, as the rest of Spillway knows it."""

from __future__ import annotations

from typing import Any


class StoreUnavailable(Exception):
    """The database cannot be written or read just now; nothing of what was asked is stored."""


class StoreLocked(StoreUnavailable):
    """Somebody else holds the database's write lock."""


class StoreUnreachable(StoreUnavailable):
    """The database does not answer; what starts now may find it back later."""


class StoreFenced(StoreUnavailable):
    """This process may not write: others took it for dead. Nothing of what was asked is stored, nor will it be."""


class StoreConflict(Exception):
    """A row with this key is there already; nothing of what was asked is stored."""

    row: Any = None  # that one, where a single operation asked


class StoreRefused(Exception):
    """The database cannot be used at all; the message says why and what to do."""
