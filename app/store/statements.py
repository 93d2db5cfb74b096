"""The statements of the hot path: each takes many rows in one transaction. How SQL says it, each database knows."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table

from app.contract import MessageView
from app.store.schema import callbacks, jobs, marks, messages, pieces, uploads

MESSAGE_COLUMNS = tuple(column.name for column in messages.columns)
JOB_COLUMNS = tuple(column.name for column in jobs.columns)
START_COLUMNS = ("path", "state", "started")
SETTLE_COLUMNS = (
    *("state", "deaths", "started", "finished", "ms", "result", "error", "delivered", "dead", "changed", "parked"),
)
PARK_COLUMNS = ("published", "stream_seq", "parked")
# Whatever may change in a job's life: for the rare transitions.
LIFE_COLUMNS = (
    *(
        "path",
        "state",
        "attempt",
        "attempts",
        "deaths",
        "run",
        "published",
        "parked",
        "started",
        "finished",
        "ms",
        "due",
    ),
    *("deadline", "progress", "result", "error", "errors", "delivered", "dead", "changed", "text"),
)


def message_row(message: MessageView, at: float) -> tuple[Any, ...]:
    """The row of a message that was written at this time, for the statement "message"."""
    data = msgspec.json.encode(message.data).decode() if message.data is not None else None
    who = message.sender
    return (
        *(message.room, message.seq, message.id, message.key, who.id, who.name),
        *(message.kind, message.text, data, message.upload, message.job, at),
    )


class Insert(NamedTuple):
    """New rows; with `replace` in the place of those that have their primary key."""

    table: Table
    replace: bool = False

    @property
    def columns(self) -> list[str]:
        """What each row holds."""
        return [column.name for column in self.table.columns]


class Update(NamedTuple):
    """Other values for rows that are there: of these columns, and `fixed`, where the key is the last value given."""

    table: Table
    columns: tuple[str, ...]
    key: str
    fixed: str = ""


class Forget(NamedTuple):
    """Rows that nobody needs: those with this value of the key. As a second value comes one of `order`, below which
    nobody needs any row of this process: a database that has one process only, and its rows in this order, lets those go.
    """

    table: Table
    key: str
    order: str


class MustBe(NamedTuple):
    """Nothing of the transaction is stored, and a conflict is reported, unless there is a row of which this holds."""

    table: Table
    key: str
    condition: str


Statement = Insert | Update | Forget | MustBe

# In the order in which they run: a job's message before the job, the job before what happens to it. Later ones win, so
# a job that changes twice in one group must do so by the same statement, or by a later one.
STATEMENTS: dict[str, Statement] = {
    "dead": MustBe(jobs, "id", "dead"),
    "message": Insert(messages),
    "job": Insert(jobs),
    "move": Update(jobs, ("n", "at"), "n"),
    "start": Update(jobs, START_COLUMNS, "n"),
    "park": Update(jobs, PARK_COLUMNS, "n"),
    "life": Update(jobs, LIFE_COLUMNS, "n"),
    "settle": Update(jobs, SETTLE_COLUMNS, "n"),
    "piece": Insert(pieces, replace=True),
    "pieces gone": Forget(pieces, "n", "written"),
    "callback": Insert(callbacks, replace=True),
    "use": Update(uploads, (), "id", fixed="used = true"),
    "mark": Insert(marks, replace=True),
}
