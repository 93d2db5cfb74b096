"""The statements of the hot path, made once from the schema: each takes many rows in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from app.contract import MessageView
from app.store.schema import callbacks, jobs, messages, pieces

MESSAGE_COLUMNS = tuple(column.name for column in messages.columns)
JOB_COLUMNS = tuple(column.name for column in jobs.columns)
PIECE_COLUMNS = tuple(column.name for column in pieces.columns)
CALLBACK_COLUMNS = tuple(column.name for column in callbacks.columns)
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


def _insert(table: str, columns: Iterable[str]) -> str:
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our names


def _update(columns: Iterable[str]) -> str:
    return f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in columns)} WHERE n = ?"  # noqa: S608 - our names


def message_row(message: MessageView, at: float) -> tuple[Any, ...]:
    """The row of a message that was written at this time, for the statement "message"."""
    data = msgspec.json.encode(message.data).decode() if message.data is not None else None
    who = message.sender
    return (
        *(message.room, message.seq, message.id, message.key, who.id, who.name),
        *(message.kind, message.text, data, message.upload, message.job, at),
    )


# In the order in which they run: a job's message before the job, the job before what happens to it. Later ones win, so
# a job that changes twice in one group must do so by the same statement, or by a later one.
STATEMENTS = {
    "message": _insert("messages", MESSAGE_COLUMNS),
    "job": _insert("jobs", JOB_COLUMNS),
    "move": "UPDATE jobs SET n = ?, at = ? WHERE n = ?",
    "start": _update(START_COLUMNS),
    "park": _update(PARK_COLUMNS),
    "life": _update(LIFE_COLUMNS),
    "settle": _update(SETTLE_COLUMNS),
    "piece": _insert("pieces", PIECE_COLUMNS),
    "pieces gone": "DELETE FROM pieces WHERE n = ?",
    "callback": _insert("callbacks", CALLBACK_COLUMNS).replace("INSERT", "INSERT OR REPLACE", 1),
    "use": "UPDATE uploads SET used = 1 WHERE id = ?",
    "mark": "INSERT OR REPLACE INTO marks (name, n) VALUES (?, ?)",
}
