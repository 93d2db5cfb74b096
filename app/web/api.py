"""What operators and pages ask for: flags, tasks, the state of things."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Coroutine, Mapping
from types import NoneType, UnionType
from typing import Any

import msgspec
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from app.answers.answer import FlagSet
from app.answers.http import FlagList, OperatorView, TaskList
from app.documents.route import route
from app.flags.flags import Flags
from app.flags.rollout import Flag
from app.ids import rfc3339
from app.jobs import job as jobs
from app.jobs import ledger
from app.payload import Refused, RoomName, ready
from app.settings import Settings, what_is_missing
from app.store.store import Store
from app.tasks import Task
from app.web.access import Access
from app.web.answers import json
from app.web.asked import query
from app.web.waiting import Wait

NAMES = {"str": "text", "int": "number", "float": "number", "bool": "yes or no"}
MINUTES = 15  # of jobs by state and path on the operator page
RECENT = 50


@ready
class OfRoom(msgspec.Struct):
    """Whether a room is asked for, and which."""

    room: RoomName | None = None


def api(
    settings: Settings,
    store: Store,
    tasks: Mapping[str, Task],
    flags: Flags,
    now: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
    held: Callable[[], list[Any]],
    access: Access,
    wait: Wait,
) -> Blueprint:
    """The JSON interface under /api; `now` gives the figures of this moment, `held` who held the hub."""
    blueprint = Blueprint("api", __name__, url_prefix="/api")

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
        return jsonify(_public(wait(flags.put(task, _body()))))

    @blueprint.delete("/flags/<task>")
    @route("Remove a task's own flag", FlagSet, needs="operator", errors=("not_found",))
    def unset_flag(task: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(_public(wait(flags.unset(task))))

    @blueprint.get("/tasks")
    @route("Every task", TaskList, needs="token")
    def list_tasks() -> ResponseReturnValue:
        access.grant()
        return jsonify(tasks=[_described(task, settings.given) for task in tasks.values()])

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


def _body() -> Any:
    if not request.is_json:
        raise Refused("bad_request", "the body must be JSON, with content type application/json")
    return request.get_json()


def _public(flag: dict[str, Any]) -> dict[str, Any]:
    return {key: flag[key] for key in ("task", "path", "percent")}


def _described(task: Task, given: Container[str]) -> dict[str, Any]:
    """A task as pages need it to offer a button for it; `given` are the settings that are not empty."""
    hints = task.arguments.__annotations__
    args = {name: "upload" if name == "upload" else _in_words(hints[name]) for name in hints}
    runs = [*task.runs, *([f"after:{task.after}"] if task.after else [])]
    chip = {"chip": task.chip} if task.chip is not None else {}
    described: dict[str, Any] = {
        "task": task.name,
        "about": task.about,
        "runs": runs,
        "lane": task.lane,
        "args": args,
        **chip,
    }
    if task.draft:
        described["draft"] = True
    if not task.on:
        described["on"] = False
    if task.when is not None:
        described["conditional"] = True
    if (missing := what_is_missing(task.needs, given)) is not None:
        described["not_configured"] = missing
    return described


def _in_words(hint: Any) -> str:
    """The type of an argument, as a form wants to know it."""
    if isinstance(hint, UnionType) and len(hint.__args__) == 2 and NoneType in hint.__args__:
        (kind,) = (each for each in hint.__args__ if each is not NoneType)
        return f"{_in_words(kind)}, optional"
    return NAMES.get(str(getattr(getattr(hint, "__origin__", hint), "__name__", hint)), "JSON")
