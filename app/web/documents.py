"""GET /openapi.json and GET /asyncapi.json: the contract for programs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app
from flask.blueprints import BlueprintSetupState

from app.auth.admission import Bearer
from app.documents.asyncapi import asyncapi
from app.documents.openapi import openapi
from app.documents.route import route
from app.tasks import Task
from app.web.errors import STATUS


def documents(events: Mapping[str, Any], tasks: Mapping[str, Task], with_tokens: bool) -> Blueprint:
    """`events` are those of clients, with the type of each one's data; `with_tokens` is so under AUTH=token."""
    blueprint = Blueprint("documents", __name__)

    @cache
    def of_http() -> bytes:
        rules, views = current_app.url_map.iter_rules(), current_app.view_functions
        return msgspec.json.encode(openapi(rules, views, STATUS, with_tokens))

    @cache
    def of_events() -> bytes:
        return msgspec.json.encode(asyncapi(events, Bearer, tasks, STATUS))

    @blueprint.get("/openapi.json")
    @route("This document: every route with its types, as OpenAPI 3.1", "application/json")
    def show_openapi() -> Response:
        return Response(of_http(), content_type="application/json")

    @blueprint.get("/asyncapi.json")
    @route("Every event, and every message on the queue, with its types, as AsyncAPI 3.0", "application/json")
    def show_asyncapi() -> Response:
        return Response(of_events(), content_type="application/json")

    @blueprint.record_once
    def declare_static(state: BlueprintSetupState) -> None:
        # Flask's own route has no place for a declaration.
        route("Scripts and styles of the pages", "*/*", errors=("not_found",))(state.app.view_functions["static"])

    return blueprint
