"""Dead letters over HTTP: look at them, try them again, or let them go."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.callbacks.callbacks import Callbacks
from app.jobs import dead_letters as letters
from app.jobs.job import view
from app.jobs.lifecycle import Lifecycle
from app.payload import Refused
from app.store.store import Store
from app.web.access import Access
from app.web.answers import json
from app.web.waiting import Wait


def dead_letters(store: Store, life: Lifecycle, callbacks: Callbacks, access: Access, wait: Wait) -> Blueprint:
    """GET /api/dead-letters[/ID], POST .../ID/replay, DELETE .../ID."""
    blueprint = Blueprint("dead_letters", __name__, url_prefix="/api/dead-letters")

    @blueprint.before_request
    def check() -> None:
        access.operator()

    @blueprint.get("")
    def every() -> ResponseReturnValue:
        which = {name: request.args.get(name) or None for name in ("task", "error")}
        return jsonify(dead_letters=wait(store.read(lambda connection: letters.every(connection, **which))))

    @blueprint.get("/<id>")
    def show(id: str) -> ResponseReturnValue:
        return jsonify(_found(wait(store.read(lambda connection: letters.look_up(connection, id)))))

    @blueprint.post("/<id>/replay")
    def replay(id: str) -> ResponseReturnValue:
        letter = wait(callbacks.replay(id))
        return jsonify(letter) if letter is not None else json(view(wait(life.replay(id))))

    @blueprint.delete("/<id>")
    def drop(id: str) -> ResponseReturnValue:
        _found(wait(store.change(lambda connection: letters.drop(connection, id))))
        return jsonify(dropped=id)

    return blueprint


def _found(letter: Any) -> Any:
    if not letter:
        raise Refused("not_found", "there is no such dead letter")
    return letter
