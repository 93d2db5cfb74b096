"""Dead letters over HTTP: look at them, try them again, or let them go."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app.dispatch.dispatch import Dispatch
from app.jobs import dead_letters as letters
from app.jobs.job import view
from app.payload import Refused


def dead_letters(dispatch: Dispatch) -> Blueprint:
    """GET /api/dead-letters[/ID], POST .../ID/replay, DELETE .../ID."""
    blueprint = Blueprint("dead_letters", __name__, url_prefix="/api/dead-letters")

    @blueprint.get("")
    def every() -> ResponseReturnValue:
        return jsonify(dead_letters=dispatch.store.read(letters.every))

    @blueprint.get("/<id>")
    def show(id: str) -> ResponseReturnValue:
        return jsonify(_found(dispatch.store.read(lambda connection: letters.find(connection, id))))

    @blueprint.post("/<id>/replay")
    def replay(id: str) -> ResponseReturnValue:
        return jsonify(view(dispatch.replay(id)))

    @blueprint.delete("/<id>")
    def drop(id: str) -> ResponseReturnValue:
        _found(dispatch.store.write(lambda connection: letters.drop(connection, id)))
        return jsonify(dropped=id)

    return blueprint


def _found(letter: Any) -> Any:
    if not letter:
        raise Refused("not_found", "there is no such dead letter")
    return letter
