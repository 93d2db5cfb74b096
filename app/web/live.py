"""GET /api/live: the last hour on both paths, as the operator page draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from msgspec import Meta

from app.answers.http import LastHour
from app.documents.route import route
from app.flags.flags import Flags
from app.live.record import ALL, Extract, Record
from app.payload import Refused, ready
from app.tasks import Task
from app.web.access import Access
from app.web.asked import query


@ready
class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What the page asks for; `since` is the `at` of the answer it has already."""

    task: str = ALL
    minutes: Literal["10", "60"] = "10"
    since: Annotated[datetime, Meta(tz=True)] | None = None


def live(
    record: Record,
    tasks: Mapping[str, Task],
    flags: Flags,
    access: Access,
    others: Callable[[str, int], list[Extract]] = lambda task, minutes: [],
) -> Blueprint:
    """The route; every answer also says which flags are in force. `others` gives what other processes noted."""
    blueprint = Blueprint("live", __name__, url_prefix="/api")

    @blueprint.get("/live")
    @route("The last hour on both paths", LastHour, needs="operator", query=Wanted, errors=("not_found",))
    def show() -> ResponseReturnValue:
        access.operator()
        wanted = query(Wanted)
        if wanted.task not in (ALL, *tasks):
            known = ", ".join(tasks)
            raise Refused("not_found", f"there is no task {wanted.task!r}: * or one of {known} is right", "task")
        since = wanted.since.timestamp() if wanted.since else 0.0
        minutes = int(wanted.minutes)
        report = record.report(wanted.task, minutes, since, others(wanted.task, minutes))
        force = [flag for flag in flags.all() if flag["task"] != ALL and wanted.task in (ALL, flag["task"])]
        return jsonify(**report, flags=force)

    return blueprint
