"""What the server's errors mean to the rest of Spillway."""

from __future__ import annotations

from typing import Any

import psycopg

from app.store.errors import StoreConflict, StoreFenced, StoreLocked, StoreUnavailable

FENCED = "SW001"  # SQLSTATE of ours: the process that writes is not one of those that may
OUTRUN = "SW002"  # of ours: this connection was given up by its process, and what it still says counts no more
READ_ONLY = "25006"
BUSY = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available
TROUBLES = {READ_ONLY: "read-only", "53300": "connections", "53100": "disk"}  # as /readyz names them


def meaning(error: psycopg.Error) -> Exception:
    """The error as the rest of Spillway knows it."""
    if error.sqlstate == FENCED:
        return StoreFenced("this process was taken for dead, and others have its rooms")
    if error.sqlstate in BUSY:
        return StoreLocked(words(error))
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        return StoreConflict(words(error))
    return StoreUnavailable(words(error))


def trouble(error: psycopg.Error) -> str:
    """What is wrong with the server, in one word."""
    if "too many clients" in str(error) or "remaining connection slots" in str(error):  # while connecting: no SQLSTATE
        return "connections"
    return TROUBLES.get(error.sqlstate or "", "unreachable")


def words(error: Any) -> str:
    """What an error says, on one line, without the server's word on where."""
    diagnosis = getattr(error, "diag", None)
    return " ".join(((diagnosis and diagnosis.message_primary) or str(error)).split())
