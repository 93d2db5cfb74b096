"""OpenAPI 3.1 of every route: https://spec.openapis.org/oas/v3.1.1.html"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from app.answers.http import ErrorAnswer
from app.contract import JobView
from app.documents.route import Needs, Route, declared
from app.documents.schemas import Schema, Schemas
from app.documents.words import ABOUT, VERSION

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
BY_ANYBODY = ("bad_request", "forbidden", "rate_limited")  # what any request can get: docs/contract.md, "HTTP"
WORDS: dict[Needs, str] = {
    "nothing": "Open to everybody.",
    "token": "Needs a valid token under AUTH=token.",
    "room": "Needs a token that grants the room under AUTH=token.",
    "operator": "Needs a token with role operator under AUTH=token.",
    "link": "Needs a signed link that has not run out.",
    "metrics": "Needs METRICS_TOKEN where it is set; otherwise a request from this machine.",
}

Views = Mapping[str, Callable[..., Any]]


class RouteNotDeclared(Exception):
    """A route has no types; the message names it."""


def openapi(rules: Iterable[Any], views: Views, statuses: Mapping[str, int], with_tokens: bool) -> Schema:
    """The document of these rules of Flask's url_map; `statuses` are those of error codes. Raises RouteNotDeclared."""
    routes = list(_routes(rules, views))
    schemas = Schemas([ErrorAnswer, JobView, *(kind for _, _, route in routes for kind in _kinds(route))])
    paths: dict[str, Any] = {}
    for rule, method, route in routes:
        path = re.sub(r"<(?:[^:>]*:)?([^>]+)>", r"{\1}", rule.rule)
        operation = _operation(rule, method, route, schemas, statuses, with_tokens)
        paths.setdefault(path, {})[method.lower()] = operation
    _name_codes(schemas.components["ErrorView"], statuses)
    components: dict[str, Any] = {"schemas": schemas.components, "responses": _refusals(paths)}
    if with_tokens:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Spillway over HTTP", "version": VERSION, "description": ABOUT},
        "paths": dict(sorted(paths.items())),
        "webhooks": {"callback": {"post": _callback(schemas)}},
        "components": components,
    }


def _callback(schemas: Schemas) -> Schema:
    """What we send to the `callback` of a job: docs/contract.md, "Callbacks"."""
    return {
        "summary": "The final job, to whoever asked for it with a callback",
        "requestBody": {"required": True, "content": _content(JobView, schemas)},
        "responses": {"2XX": {"description": "Taken"}, "410": {"description": "Not wanted any more"}},
    }


def _routes(rules: Iterable[Any], views: Views) -> Iterator[tuple[Any, str, Route]]:
    for rule in rules:
        for method in METHODS:
            if method in rule.methods:
                route = declared(views[rule.endpoint])
                if route is None:
                    raise RouteNotDeclared(
                        f"{method} {rule.rule} has no @route with its types (app/documents/route.py)"
                    )
                yield rule, method, route


def _kinds(route: Route) -> Iterator[Any]:
    """The types that a route names; media types are text."""
    of_bodies = [kind for kind in (route.answer, route.body) if kind is not None and not isinstance(kind, str)]
    yield from [*of_bodies, *(kind for _, kind in route.also)]
    yield from [kind for kind in (route.query, route.form) if kind is not None]


def _operation(
    rule: Any, method: str, route: Route, schemas: Schemas, statuses: Mapping[str, int], with_tokens: bool
) -> Schema:
    parameters = [_parameter(name) for name in re.findall(r"<(?:[^:>]*:)?([^>]+)>", rule.rule)]
    if route.query is not None:
        parameters += _query(route.query, schemas)
    operation: Schema = {
        "operationId": f"{method.lower()}_{re.sub(r'[^a-z]+', '_', rule.rule).strip('_') or 'page'}",
        "summary": route.about,
        "description": WORDS[route.needs],
        "parameters": parameters,
        "responses": _responses(method, route, schemas, statuses),
    }
    if route.body is not None or route.form is not None:
        operation["requestBody"] = {"required": True, "content": _body(route, schemas)}
    if with_tokens and route.needs in ("token", "room", "operator"):
        operation["security"] = [{"token": []}]
    return operation


def _parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(kind: Any, schemas: Schemas) -> list[Schema]:
    component = schemas.components[kind.__name__]
    required = component.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in component["properties"].items()
    ]


def _responses(method: str, route: Route, schemas: Schemas, statuses: Mapping[str, int]) -> Schema:
    codes = list(dict.fromkeys([*BY_ANYBODY, *route.errors]))
    if route.needs in ("token", "room", "operator", "metrics"):
        codes.append("unauthorized")
    if method != "GET":
        codes.append("too_large")
    found: dict[str, Schema] = {}
    for code in codes:
        status = statuses[code]
        names = [each for each in codes if statuses[each] == status]
        found[str(status)] = {"$ref": f"#/components/responses/{'_or_'.join(names)}"}
    for status, kind in ((route.status, route.answer), *route.also):
        found[str(status)] = {"description": "As asked", "content": _content(kind, schemas)}
    return {**dict(sorted(found.items())), "default": {"$ref": "#/components/responses/internal"}}


def _refusals(paths: Schema) -> Schema:
    """Each answer that refuses, under the codes that its error can have."""
    named = re.findall(r"#/components/responses/(\w+)", repr(paths))
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    return {
        name: {"description": "Refused: " + name.replace("_or_", " or "), "content": content}
        for name in sorted(set(named))
    }


def _content(kind: Any, schemas: Schemas) -> Schema:
    if isinstance(kind, str):
        return {media: {} for media in kind.split(", ")}
    return {"application/json": {"schema": schemas.of(kind)}}


def _body(route: Route, schemas: Schemas) -> Schema:
    if route.form is None:
        return _content(route.body, schemas)
    return {"multipart/form-data": {"schema": schemas.of(route.form)}}


def _name_codes(error: Schema, statuses: Mapping[str, int]) -> None:
    error["properties"]["code"] = {"type": "string", "enum": list(statuses)}
