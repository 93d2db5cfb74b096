"""Whether the process lives, whether it can do its work, and its figures."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from app.metrics import Metrics


def health(metrics: Metrics, missing: Callable[[], list[str]]) -> Blueprint:
    """GET /livez, /healthz, /readyz and /metrics; `missing` names what the process needs and does not have."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/livez")
    @blueprint.get("/healthz")
    def livez() -> ResponseReturnValue:
        return jsonify(ok=True)

    @blueprint.get("/readyz")
    def readyz() -> ResponseReturnValue:
        away = missing()
        return jsonify(ok=not away, missing=away), 503 if away else 200

    @blueprint.get("/metrics")
    def figures() -> Response:
        return Response(metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    return blueprint
