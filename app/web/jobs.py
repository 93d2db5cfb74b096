"""Jobs over HTTP: finding them, and looking at one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint
from flask.typing import ResponseReturnValue
from msgspec import Meta

from app.answers.http import JobDetails, JobList
from app.auth.grant import Grant
from app.contract import FINAL, UNFINISHED, JobView
from app.documents.route import route
from app.ids import moment
from app.jobs.job import Job, view
from app.jobs.search import Wanted, details, search
from app.payload import Refused, ready
from app.store.store import Store
from app.web.access import Access
from app.web.answers import json
from app.web.asked import query
from app.web.waiting import Wait

MAX_JOBS, JOBS = 500, 50  # in one list: at most, and where nothing is said
STATES = (*UNFINISHED, *FINAL)
_ID = re.compile(r"[0-9a-z]{26}")
_NO_JOB = "there is no such job"

Find = Callable[[str], Coroutine[Any, Any, Job | None]]


@ready
class WhichJobs(msgspec.Struct):
    """Which jobs are asked for, and how many at most; `before` is the ID of a job, or a time."""

    state: Literal[STATES] | None = None  # type: ignore[valid-type]  # made of two tuples
    task: str | None = None
    room: str | None = None
    path: Literal["simple", "queued"] | None = None
    error: str | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    before: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_JOBS)] = JOBS


def jobs(store: Store, find: Find, drafts: Collection[str], access: Access, wait: Wait) -> Blueprint:
    """GET /api/jobs, /api/jobs/ID and /api/operator/jobs/ID; `drafts` are the tasks whose jobs are for few people."""
    blueprint = Blueprint("jobs", __name__, url_prefix="/api")

    @blueprint.get("/jobs")
    @route("Jobs, the newest first", JobList, needs="operator", query=WhichJobs)
    def every() -> ResponseReturnValue:
        access.operator()
        which = query(WhichJobs)
        wanted = _wanted(which)
        found = wait(store.read(lambda connection: search(connection, wanted, which.limit)))
        if found is None:
            raise Refused("bad_request", "there is no job with this ID", "before")
        shown, more = found
        return json({"jobs": [view(job) for job in shown], **({"more": True} if more else {})})

    @blueprint.get("/jobs/<id>")
    @route("One job", JobView, needs="room", errors=("not_found",))
    def one(id: str) -> ResponseReturnValue:
        granted = access.grant()
        job = wait(find(id))
        if job is None or not _may_see(granted, job, drafts):
            raise Refused("not_found", _NO_JOB)
        return json(view(job))

    @blueprint.get("/operator/jobs/<id>")
    @route("One job with everything that is kept of it", JobDetails, needs="operator", errors=("not_found",))
    def closely(id: str) -> ResponseReturnValue:
        access.operator()
        job = wait(find(id))
        if job is None:
            raise Refused("not_found", _NO_JOB)
        return json(details(job))

    return blueprint


def _may_see(granted: Grant, job: Job, drafts: Collection[str]) -> bool:
    """That there is a job in a room that is not theirs is nobody's business."""
    may_enter = granted.may_enter(job.room) or granted.role == "operator"
    return may_enter and (job.task not in drafts or granted.answers_people)


def _wanted(which: WhichJobs) -> Wanted:
    """An empty parameter asks for nothing in particular, as a form sends it."""
    id = which.before if which.before and _ID.fullmatch(which.before) else None
    return Wanted(
        state=which.state,
        task=which.task or None,
        room=which.room or None,
        path=which.path,
        error=which.error or None,
        since=which.since.timestamp() if which.since else None,
        before=_time(which.before) if which.before and id is None else None,
        before_id=id,
    )


def _time(text: str) -> float:
    """A time as RFC 3339 has it, in seconds; raises Refused."""
    found = moment(text)
    if found is None:
        raise Refused("bad_request", "expected the ID of a job, or a time such as 2026-01-31T09:30:00Z", "before")
    return found.timestamp()
