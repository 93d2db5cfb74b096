"""What operators and pages ask for: flags, tasks, jobs, the state of things."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from app.contract import FINAL, UNFINISHED
from app.flags.flags import Flags
from app.ids import rfc3339
from app.jobs import job as jobs
from app.jobs import ledger
from app.payload import Refused, room_name
from app.settings import Settings
from app.store.store import Store
from app.tasks import Task
from app.web.access import Access
from app.web.answers import json
from app.web.asked import whole_number
from app.web.waiting import Wait

MINUTES = 15  # of jobs by state and path on the operator page
RECENT = 50
MAX_JOBS = 500  # in one list
STATES = (*UNFINISHED, *FINAL)


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

    @blueprint.get("/flags")
    def list_flags() -> ResponseReturnValue:
        access.grant()
        rows = flags.all()
        if "room" in request.args:
            room = room_name(request.args["room"])
            access.of_room(room)
            taken = wait(flags.taken_by(room))
            rows = [{**row, "takes": taken[row["task"]]} if row["task"] in taken else row for row in rows]
        return jsonify(default=settings.default_path, queue=bool(settings.nats_url), flags=rows)

    @blueprint.put("/flags/<task>")
    def put_flag(task: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(_public(wait(flags.put(task, _body()))))

    @blueprint.delete("/flags/<task>")
    def unset_flag(task: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(_public(wait(flags.unset(task))))

    @blueprint.get("/tasks")
    def list_tasks() -> ResponseReturnValue:
        access.grant()
        return jsonify(tasks=[_described(task) for task in tasks.values()])

    @blueprint.get("/jobs")
    def list_jobs() -> ResponseReturnValue:
        access.operator()
        limit, which = _which_jobs()
        found = wait(store.read(lambda connection: ledger.newest(connection, limit, **which)))
        return json({"jobs": [jobs.view(job) for job in found]})

    @blueprint.get("/jobs/<id>")
    def show_job(id: str) -> ResponseReturnValue:
        granted = access.grant()
        job = wait(find(id))
        # That there is a job in a room that is not theirs is nobody's business.
        if job is None or not (granted.may_enter(job.room) or granted.role == "operator"):
            raise Refused("not_found", "there is no such job")
        return json(jobs.view(job))

    @blueprint.get("/operator")
    def operator() -> ResponseReturnValue:
        access.operator()
        minutes, newest = wait(store.read(_lately))
        return json(
            {
                "at": rfc3339(time.time()),
                "now": wait(now()),
                "minutes": [
                    {"minute": rfc3339(minute * 60), "task": task, "path": path, "state": state, "count": count}
                    for minute, task, path, state, count in minutes
                ],
                "held": held(),
                "recent": [jobs.view(job) for job in newest],
            }
        )

    return blueprint


def _lately(connection: Connection) -> tuple[list[Any], list[jobs.Job]]:
    return ledger.by_minute(connection, time.time() - MINUTES * 60), ledger.newest(connection, RECENT)


def _which_jobs() -> tuple[int, dict[str, str | None]]:
    """At most how many jobs are asked for, and which."""
    limit = whole_number("limit", 1, MAX_JOBS, RECENT)
    state = request.args.get("state")
    if state is not None and state not in STATES:
        raise Refused("bad_request", f"state is one of {', '.join(STATES)}", "state")
    return limit, {"room": request.args.get("room"), "task": request.args.get("task"), "state": state}


def _body() -> Any:
    if not request.is_json:
        raise Refused("bad_request", "the body must be JSON, with content type application/json")
    return request.get_json()


def _public(flag: dict[str, Any]) -> dict[str, Any]:
    return {key: flag[key] for key in ("task", "path", "percent")}


def _described(task: Task) -> dict[str, Any]:
    """A task as pages need it to offer a button for it."""
    names = {"str": "text", "int": "number", "float": "number", "bool": "yes or no"}
    hints = task.arguments.__annotations__
    args = {name: "upload" if name == "upload" else names.get(_plain(hints[name]), "JSON") for name in hints}
    runs = [*task.runs, *([f"after:{task.after}"] if task.after else [])]
    chip = {"chip": task.chip} if task.chip is not None else {}
    return {"task": task.name, "about": task.about, "runs": runs, "lane": task.lane, "args": args, **chip}


def _plain(hint: Any) -> str:
    return str(getattr(getattr(hint, "__origin__", hint), "__name__", hint))
