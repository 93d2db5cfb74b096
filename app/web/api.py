"""What operators and pages ask for: flags, the state of things."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from app.answers.answer import FlagSet
from app.answers.http import FlagList, OperatorView
from app.documents.route import route
from app.flags.flags import Flags
from app.flags.rollout import Flag
from app.ids import rfc3339
from app.jobs import job as jobs
from app.jobs import ledger
from app.payload import RoomName, ready
from app.settings import Settings
from app.store.store import Store
from app.web.access import Access
from app.web.answers import json
from app.web.asked import body, query
from app.web.waiting import Wait

MINUTES = 15  # of jobs by state and path on the operator page
RECENT = 50


@ready
class OfRoom(msgspec.Struct):
    """Whether a room is asked for, and which."""

    room: RoomName | None = None


def api(
    settings: Settings,
    store: Store,
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
        return jsonify(_public(wait(flags.put(task, body()))))

    @blueprint.delete("/flags/<task>")
    @route("Remove a task's own flag", FlagSet, needs="operator", errors=("not_found",))
    def unset_flag(task: str) -> ResponseReturnValue:
        access.operator()
        return jsonify(_public(wait(flags.unset(task))))

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
