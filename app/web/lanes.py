"""Tasks and lanes as operators see and set them: paused or not, limits, and how failures are tried again."""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import NoneType, UnionType
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app.answers.http import LaneList, LaneView, TaskList, TaskRules
from app.controls.controls import Controls
from app.controls.rules import LaneSetting, TaskSetting
from app.documents.route import route
from app.settings import Settings, what_is_missing
from app.tasks import Task
from app.web.access import Access
from app.web.asked import body
from app.web.waiting import Wait

NAMES = {"str": "text", "int": "number", "float": "number", "bool": "yes or no"}


def lanes(controls: Controls, settings: Settings, tasks: Mapping[str, Task], access: Access, wait: Wait) -> Blueprint:
    """The routes under /api/tasks and /api/lanes."""
    blueprint = Blueprint("lanes", __name__, url_prefix="/api")

    def _rules(task: str) -> dict[str, Any]:
        return {key: value for key, value in controls.task(task).items() if value is not False}

    @blueprint.get("/tasks")
    @route("Every task", TaskList, needs="token")
    def list_tasks() -> ResponseReturnValue:
        access.grant()
        return jsonify(tasks=[_described(task, settings.given) | _rules(task.name) for task in tasks.values()])

    @blueprint.put("/tasks/<task>")
    @route(
        "Pause a task, or say how it is tried again",
        TaskRules,
        needs="operator",
        body=TaskSetting,
        errors=("not_found",),
    )
    def put_task(task: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(wait(controls.put_task(task, body())))

    @blueprint.get("/lanes")
    @route("Every lane", LaneList, needs="token")
    def list_lanes() -> ResponseReturnValue:
        access.grant()
        return jsonify(lanes=controls.lanes())

    @blueprint.put("/lanes/<lane>")
    @route("Pause a lane, or let it go on", LaneView, needs="operator", body=LaneSetting, errors=("not_found",))
    def put_lane(lane: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(wait(controls.put_lane(lane, body())))

    return blueprint


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
