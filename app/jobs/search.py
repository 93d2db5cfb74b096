"""Finding jobs among all there ever were, and all that is kept of one: for operators."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from app.contract import FINAL, JobError
from app.ids import rfc3339, traceparent
from app.jobs import ledger
from app.jobs.job import Job, public_error, view
from app.store.portable import json_text
from app.store.schema import jobs

_error_code = json_text(jobs.c.error, "code")

MAX_MICROSECONDS = (2**63 - 1) >> 10  # since 1970, in the place of a job: what a column holds


class Wanted(msgspec.Struct, frozen=True):
    """Which jobs are looked for: those with all of these, accepted since a time and before another, as seconds."""

    state: str | None = None
    task: str | None = None
    room: str | None = None
    path: str | None = None
    error: str | None = None
    since: float | None = None
    before: float | None = None
    before_id: str | None = None


def search(connection: Connection, wanted: Wanted, limit: int) -> tuple[list[Job], bool] | None:
    """The newest of them, newest first, and whether there are older ones; None where there is no job `before_id`.

    It walks along the primary key, from the newest on: a million jobs of which none matches take 0.2 s, on PostgreSQL 0.3 s,
    in a thread that only reads (2026-12-01). An index for each question would cost every job instead.
    """
    query = select(jobs).order_by(jobs.c.n.desc()).limit(limit + 1)
    for name in ("task", "room", "path"):
        if getattr(wanted, name) is not None:
            query = query.where(jobs.c[name] == getattr(wanted, name))
    if wanted.error is not None:
        query = query.where(jobs.c.error.is_not(None), _error_code == wanted.error)
    if wanted.state is not None:
        query = query.where(_is_shown_as(wanted.state))
    # A job's place is made of the time of its acceptance (app/ids.py).
    if wanted.since is not None:
        query = query.where(jobs.c.n >= _place_at(wanted.since), jobs.c.at >= wanted.since)
    if wanted.before is not None:
        query = query.where(jobs.c.n < _place_at(wanted.before + 1), jobs.c.at < wanted.before)
    if wanted.before_id is not None:
        place = connection.execute(select(jobs.c.n).where(jobs.c.id == wanted.before_id)).scalar()
        if place is None:
            return None
        query = query.where(jobs.c.n < place)
    found = [ledger.from_row(row) for row in connection.execute(query)]
    return found[:limit], len(found) > limit


def _is_shown_as(state: str) -> Any:
    """What `view` shows in this state: an outcome that waits for its turn is not shown yet."""
    if state in FINAL:
        return (jobs.c.state == state) & jobs.c.delivered
    if state == "running":
        return (jobs.c.state == state) | (jobs.c.state.in_(FINAL) & ~jobs.c.delivered)
    return jobs.c.state == state


def details(job: Job) -> dict[str, Any]:
    """Everything that is kept of a job but where its outcome is sent."""
    error = msgspec.json.decode(job.error, type=JobError) if job.error is not None else None
    return {
        "job": view(job),
        "args": msgspec.json.decode(job.args),
        "attempts": job.attempts,
        "errors": msgspec.json.decode(job.errors or "[]"),
        "error": msgspec.json.decode(public_error(job.error) or "null"),
        "traceback": error.traceback if error is not None else None,
        "started": _time(job.started),
        "finished": _time(job.finished),
        "next": _time(job.due) if not job.final else None,
        "deadline": rfc3339(job.deadline),
        "published": job.published,
        "dead": job.dead,
        "trace": traceparent(job.id),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def _place_at(seconds: float) -> int:
    """The first place in the order of acceptance of a moment; of one far away the first, or last, that a column holds."""
    return min(max(int(seconds * 1e6), 0), MAX_MICROSECONDS) << 10
