"""What can go wrong with the database, as the rest of Spillway knows it."""

from __future__ import annotations


class StoreUnavailable(Exception):
    """The database cannot be written or read just now; nothing of what was asked is stored."""


class StoreLocked(StoreUnavailable):
    """Somebody else holds the database's write lock."""


class StoreConflict(Exception):
    """A row with this key is there already; nothing of what was asked is stored."""


class StoreRefused(Exception):
    """The database cannot be used at all; the message says why and what to do."""
