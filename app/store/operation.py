"""What is committed, and what follows from it: operations go in, effects come out, both as values."""

from __future__ import annotations

from typing import Any, Protocol

Rows = dict[str, list[tuple[Any, ...]]]  # by the name of a statement in app/store/statements.py
Look = tuple[str, tuple[Any, ...]]  # a statement with ?, and its arguments


class Effects(Protocol):
    """What follows from a commit; app/publisher.py says what it can hold. The store only hands it on."""


class Operation:
    """One step of a message or a job, committed as a whole or not at all.

    The writer calls `prepare` for each operation of a group in turn, writes all rows in one transaction, and then calls
    `done` in the same order. When the transaction fails it calls `undo` in reverse order; `prepare` may be called again.
    """

    urgent = False  # a person waits for it
    expires: float | None = None  # on the loop's clock: when it is given up; None: it is tried for ever

    def prepare(self, rows: Rows) -> None:
        """Decide with what is known now, change memory, and add what must be stored."""

    def undo(self) -> None:
        """Take back what `prepare` changed in memory."""

    def done(self, effects: Any) -> None:
        """It is committed: add what follows."""

    def failed(self, effects: Any, error: Exception) -> None:
        """It is given up, and will never be stored: tell whoever waits."""

    def by_key(self) -> Look | None:
        """What finds the row that has its key, when one is there already; None where it has none."""
        return None

    def conflict(self, effects: Any, row: Any) -> None:
        """A row with its key is there already, this one (or None): answer with that."""


def add_row(rows: Rows, statement: str, row: tuple[Any, ...]) -> None:
    """Add one row for this statement."""
    known = rows.get(statement)
    if known is None:
        rows[statement] = [row]
    else:
        known.append(row)
