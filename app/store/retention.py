"""RETENTION_DAYS: what is older than that is removed, once an hour, a little at a time."""

from __future__ import annotations

import time
from pathlib import Path

import structlog
from sqlalchemy import Connection, delete, select

from app.store.store import Store, StoreUnavailable
from app.store.tables import jobs, messages, uploads

log = structlog.get_logger()

DAY = 86_400.0
LOOK_EVERY = 3600.0  # seconds
AT_ONCE = 500  # rows in one write, so that nobody waits long behind it
FINAL = ("succeeded", "failed", "cancelled", "skipped")


def keep_removing(store: Store, days: int, folder: Path) -> None:
    """Again and again, remove what is older than so many days; dead letters and unfinished jobs stay."""
    while True:
        try:
            count = remove(store, time.time() - days * DAY, folder)
            if count:
                log.info("removed what was too old", rows=count, days=days)
        except StoreUnavailable as error:
            log.warning("old rows not removed yet", error=str(error))
        time.sleep(LOOK_EVERY)


def remove(store: Store, before: float, folder: Path) -> int:
    """Remove messages, finished jobs and uploads from before this time (seconds since 1970); returns how many rows."""
    total = 0
    while True:
        gone, files = store.write(lambda connection: _remove_some(connection, before))
        for id in files:
            (folder / id).unlink(missing_ok=True)
        total += gone
        if gone == 0:
            return total


def _remove_some(connection: Connection, before: float) -> tuple[int, list[str]]:
    finished = jobs.c.state.in_(FINAL) & jobs.c.delivered & ~jobs.c.dead
    old_jobs = select(jobs.c.n).where(jobs.c.at < before, finished).limit(AT_ONCE)
    # A room keeps counting where it was: its seq is in `rooms`, which stays.
    old_messages = select(messages.c.id).where(messages.c.at < before).limit(AT_ONCE)
    files = list(connection.execute(select(uploads.c.id).where(uploads.c.at < before).limit(AT_ONCE)).scalars())
    gone = connection.execute(delete(jobs).where(jobs.c.n.in_(old_jobs))).rowcount
    gone += connection.execute(delete(messages).where(messages.c.id.in_(old_messages))).rowcount
    gone += connection.execute(delete(uploads).where(uploads.c.id.in_(files))).rowcount
    return gone, files
