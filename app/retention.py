"""RETENTION_DAYS: what is older than that is removed, once an hour, a little at a time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, case, delete, select, text

from app.contract import FINAL
from app.store.portable import json_text, stored_order, upsert_all
from app.store.schema import jobs, messages, rooms, uploads
from app.store.store import Store

log = structlog.get_logger()

DAY = 86_400.0
LOOK_SECONDS = 3600.0
UNUSED_SECONDS = 3600.0
UNUSED_LOOK_SECONDS = 600.0
AT_ONCE = 500  # rows in one write, so that nobody waits long behind it

_upload = json_text(jobs.c.args, "upload")
_of_delayed_jobs = select(_upload).where(text("due IS NOT NULL"), jobs.c.state == "accepted", _upload.is_not(None))


Discard = Callable[[list[str]], Awaitable[None]]  # removes the files of these uploads


async def remove_unused(store: Store, discard: Discard) -> None:
    """Remove images that no message shows and no job was asked for with, an hour after they were sent."""
    before, total = time.time() - UNUSED_SECONDS, 0
    while files := await store.change(lambda connection: _remove_unused(connection, before)):
        await discard(files)
        total += len(files)
    if total:
        log.info("removed images that nobody used", images=total)


async def remove_old(store: Store, days: int, discard: Discard) -> None:
    """Remove what is older than so many days; dead letters and unfinished jobs stay."""
    count = await remove(store, time.time() - days * DAY, discard)
    if count:
        log.info("removed what was too old", rows=count, days=days)


async def remove(store: Store, before: float, discard: Discard) -> int:
    """Remove messages, finished jobs and uploads from before this time (seconds since 1970); returns how many rows."""
    total = 0
    while True:
        gone, files = await store.change(lambda connection: _remove_some(connection, before))
        await discard(files)
        total += gone
        if gone == 0:
            return total


def _remove_unused(connection: Connection, before: float) -> list[str]:
    unused = select(uploads.c.id).where(~uploads.c.used, uploads.c.at < before).limit(AT_ONCE)
    files = list(connection.execute(unused).scalars())
    connection.execute(delete(uploads).where(uploads.c.id.in_(files)))
    return files


def _remove_some(connection: Connection, before: float) -> tuple[int, list[str]]:
    old = select(uploads.c.id).where(uploads.c.at < before, uploads.c.id.not_in(_of_delayed_jobs)).limit(AT_ONCE)
    files = list(connection.execute(old).scalars())
    gone = _remove_jobs(connection, before) + _remove_messages(connection, before)
    gone += connection.execute(delete(uploads).where(uploads.c.id.in_(files))).rowcount
    return gone, files


def _remove_jobs(connection: Connection, before: float) -> int:
    """The oldest jobs are those with the smallest places, so that no index on their time is needed."""
    finished = jobs.c.state.in_(FINAL) & jobs.c.delivered & ~jobs.c.dead
    old = select(jobs.c.n).where(jobs.c.n < int(before * 1e6) << 10, jobs.c.at < before, finished)
    return connection.execute(delete(jobs).where(jobs.c.n.in_(old.order_by(jobs.c.n).limit(AT_ONCE)))).rowcount


def _remove_messages(connection: Connection, before: float) -> int:
    """Messages lie in the order in which they were stored; a room goes on counting where it was."""
    oldest = select(messages.c.room, messages.c.seq, messages.c.at).order_by(stored_order(messages.c.at))
    old = [row for row in connection.execute(oldest.limit(AT_ONCE)) if row.at < before]
    reached: dict[str, int] = {}
    for row in old:
        reached[row.room] = max(reached.get(row.room, 0), row.seq)
    if old:
        counts = [{"name": room, "seq": seq} for room, seq in sorted(reached.items())]
        upsert_all(connection, rooms, counts, {"seq": _highest})
        connection.execute(_one_message, [{"of": row.room, "number": row.seq} for row in old])
    return len(old)


_one_message = delete(messages).where(messages.c.room == bindparam("of"), messages.c.seq == bindparam("number"))


def _highest(given: Any) -> Any:
    return case((given.seq > rooms.c.seq, given.seq), else_=rooms.c.seq)
