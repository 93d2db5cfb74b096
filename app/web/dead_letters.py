"""Dead letters over HTTP: look at them, try them again, or let them go."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app.answers.http import Dropped, Letter, LetterList
from app.callbacks.callbacks import Callbacks
from app.chat.services import Services
from app.contract import JobView
from app.documents.route import route
from app.jobs import dead_letters as letters
from app.payload import Refused, ready
from app.store.store import Store
from app.web.access import Access
from app.web.answers import json
from app.web.asked import query
from app.web.waiting import Wait


@ready
class Which(msgspec.Struct):
    """Those of a task, or with an error."""

    task: str | None = None
    error: str | None = None


def dead_letters(store: Store, services: Services, callbacks: Callbacks, access: Access, wait: Wait) -> Blueprint:
    """GET /api/dead-letters[/ID], POST .../ID/replay, DELETE .../ID."""
    blueprint = Blueprint("dead_letters", __name__, url_prefix="/api/dead-letters")

    @blueprint.before_request
    def check() -> None:
        access.operator()

    @blueprint.get("")
    @route("The newest 500 dead letters", LetterList, needs="operator", query=Which)
    def every() -> ResponseReturnValue:
        wanted = query(Which)
        which = {"task": wanted.task or None, "error": wanted.error or None}
        return jsonify(dead_letters=wait(store.read(lambda connection: letters.every(connection, **which))))

    @blueprint.get("/<id>")
    @route("One dead letter, by its ID or its beginning", Letter, needs="operator", errors=("not_found", "conflict"))
    def show(id: str) -> ResponseReturnValue:
        return jsonify(_found(wait(store.read(lambda connection: letters.look_up(connection, id)))))

    @blueprint.post("/<id>/replay")
    @route(
        "Give its job all attempts and a new deadline, or call back again", JobView, needs="operator",
        errors=("not_found", "conflict", "busy", "draining"),
    )  # fmt: skip
    def replay(id: str) -> ResponseReturnValue:
        sent = wait(callbacks.replay(id))
        return json(sent if sent is not None else msgspec.Raw(wait(services.replay(id))))

    @blueprint.delete("/<id>")
    @route("Forget it", Dropped, needs="operator", errors=("not_found",))
    def drop(id: str) -> ResponseReturnValue:
        _found(wait(store.change(lambda connection: letters.drop(connection, id))))
        return jsonify(dropped=id)

    return blueprint


def _found(letter: Any) -> Any:
    if not letter:
        raise Refused("not_found", "there is no such dead letter")
    return letter
