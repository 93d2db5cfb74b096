"""Whether the process lives, whether it can do its work, and its figures."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from app.answers.http import Alive, Readiness
from app.documents.route import route
from app.metrics import Metrics
from app.payload import Refused
from app.settings import LOOPBACK
from app.web.guard import host_name

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via")


def health(metrics: Metrics, missing: Callable[[], list[str]], token: str) -> Blueprint:
    """GET /livez, /healthz, /readyz and /metrics; `missing` names what the process needs and does not have.

    `token` is METRICS_TOKEN: without one /metrics is for this machine.
    """
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/livez")
    @blueprint.get("/healthz")
    @route("Whether the process lives", Alive)
    def livez() -> ResponseReturnValue:
        return jsonify(ok=True)

    @blueprint.get("/readyz")
    @route("Whether the process can do its work", Readiness, also=((503, Readiness),))
    def readyz() -> ResponseReturnValue:
        away = missing()
        return jsonify(ok=not away, missing=away), 503 if away else 200

    @blueprint.get("/metrics")
    @route("Figures for Prometheus", "text/plain", needs="metrics")
    def figures() -> Response:
        _check_may_read(token)
        return Response(metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    return blueprint


def _check_may_read(token: str) -> None:
    """Raise Refused unless whoever asks has the token; where there is none, unless they are on this machine."""
    if token:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refused("unauthorized", "this needs METRICS_TOKEN: Authorization: Bearer TOKEN")
    elif not (_is_loopback(request.remote_addr) and host_name(request.host) in LOOPBACK) or _is_forwarded():
        raise Refused("forbidden", "without METRICS_TOKEN this is for requests from this machine, to it, by no proxy")


def _is_loopback(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False


def _is_forwarded() -> bool:
    return any(name in request.headers for name in FORWARDED)
