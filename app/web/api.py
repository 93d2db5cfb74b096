"""What operators and pages ask for: flags, jobs, the state of things."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from msgspec import Meta
from sqlalchemy import Connection

from app.answers.answer import FlagSet
from app.answers.http import FlagList, JobList, OperatorView
from app.contract import FINAL, UNFINISHED, JobView
from app.documents.route import route
from app.flags.flags import Flags
from app.flags.rollout import Flag
from app.ids import rfc3339
from app.jobs import job as jobs
from app.jobs import ledger
from app.payload import Refused, RoomName, ready
from app.settings import Settings
from app.store.store import Store
from app.tasks import Task
from app.web.access import Access
from app.web.answers import json
from app.web.asked import body, query
from app.web.waiting import Wait

MINUTES = 15  # of jobs by state and path on the operator page
RECENT = 50
MAX_JOBS = 500  # in one list
STATES = (*UNFINISHED, *FINAL)


@ready
class OfRoom(msgspec.Struct):
    """Whether a room is asked for, and which."""

    room: RoomName | None = None


@ready
class WhichJobs(msgspec.Struct):
    """Which jobs are asked for, and how many at most."""

    room: str | None = None
    task: str | None = None
    state: Literal[STATES] | None = None  # type: ignore[valid-type]  # made of two tuples
    limit: Annotated[int, Meta(ge=1, le=MAX_JOBS)] = RECENT


def api(
    settings: Settings,
    store: Store,
    tasks: Mapping[str, Task],
    flags: Flags,
    now: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
    held: Callable[[], list[Any]],
    find: Callable[[str], Coroutine[Any, Any, Any]],
    access: Access,
    wait: Wait,
) -> Blueprint:
    """The JSON interface under /api; `now` gives the figures of this moment, `held` who held the hub, `find` a job."""
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    drafts = {task.name for task in tasks.values() if task.draft}

    @blueprint.get("/flags")
    @route("The path of each task", FlagList, needs="token", query=OfRoom)
    def list_flags() -> ResponseReturnValue:
        access.grant()
        rows, room = flags.all(), query(OfRoom).room
        if room is not None:
            access.of_room(room)
            taken = wait(flags.taken_by(room))
            rows = [{**row, "takes": taken[row["task"]]} if row["task"] in taken else row for row in rows]
        return jsonify(default=settings.default_path, queue=bool(settings.nats_url), flags=rows)

    @blueprint.put("/flags/<task>")
    @route("Set the path of a task", FlagSet, needs="operator", body=Flag, errors=("not_found", "conflict"))
    def put_flag(task: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(_public(wait(flags.put(task, body()))))

    @blueprint.delete("/flags/<task>")
    @route("Remove a task's own flag", FlagSet, needs="operator", errors=("not_found",))
    def unset_flag(task: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(_public(wait(flags.unset(task))))

    @blueprint.get("/jobs")
    @route("Jobs, the newest first", JobList, needs="operator", query=WhichJobs)
    def list_jobs() -> ResponseReturnValue:
        access.operator()
        which = query(WhichJobs)
        chosen = {"room": which.room, "task": which.task, "state": which.state}
        found = wait(store.read(lambda connection: ledger.newest(connection, which.limit, **chosen)))
        return json({"jobs": [jobs.view(job) for job in found]})

    @blueprint.get("/jobs/<id>")
    @route("One job", JobView, needs="room", errors=("not_found",))
    def show_job(id: str) -> ResponseReturnValue:
        granted = access.grant()
        job = wait(find(id))
        # That there is a job in a room that is not theirs is nobody's business.
        may_enter = job is not None and (granted.may_enter(job.room) or granted.role == "operator")
        if not may_enter or (job.task in drafts and not granted.may_see_drafts):
            raise Refused("not_found", "there is no such job")
        return json(jobs.view(job))

    @blueprint.get("/operator")
    @route("What the operator page shows", OperatorView, needs="operator")
    def operator() -> ResponseReturnValue:
        access.operator()
        minutes, newest = wait(store.read(_lately))
        return json(
            {
                "at": rfc3339(time.time()),
                "now": wait(now()),
                "minutes": [_minute(*each) for each in minutes],
                "held": held(),
                "recent": [jobs.view(job) for job in newest],
            }
        )

    return blueprint


def _minute(minute: int, task: str, path: str, state: str, count: int) -> dict[str, Any]:
    return {"minute": rfc3339(minute * 60), "task": task, "path": path, "state": state, "count": count}


def _lately(connection: Connection) -> tuple[list[Any], list[jobs.Job]]:
    return ledger.by_minute(connection, time.time() - MINUTES * 60), ledger.newest(connection, RECENT)


def _public(flag: dict[str, Any]) -> dict[str, Any]:
    return {key: flag[key] for key in ("task", "path", "percent")}
