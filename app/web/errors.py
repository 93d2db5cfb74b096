"""Every HTTP error in one shape: `{error: {code, message, field?}}` with the right status."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, jsonify
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from app.concurrency.paced import HANG_UP
from app.payload import Refused
from app.store.errors import StoreUnavailable

log = structlog.get_logger()

STATUS = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "not_in_room": 403,
    "unknown_task": 404,
    "conflict": 409,
    "too_large": 413,
    "rate_limited": 429,
    "busy": 503,
    "draining": 503,
    "internal": 500,
}
WWW_AUTHENTICATE = {"WWW-Authenticate": "Bearer"}  # RFC 6750 section 3
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "bad_request",
    413: "too_large",
    415: "bad_request",
    429: "rate_limited",
}


def register(app: Flask) -> None:
    """Answer every error in the contract's shape."""

    @app.errorhandler(Refused)
    def refused(error: Refused) -> ResponseReturnValue:
        return *_answer(error.as_error(), STATUS[error.code]), dict(_fields(error))

    @app.errorhandler(StoreUnavailable)
    def unavailable(error: StoreUnavailable) -> ResponseReturnValue:
        log.error("store unavailable", error=str(error))
        return _answer({"code": "busy", "message": "it could not be stored just now: try again"}, 503)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        status = error.code or 500
        words = {"code": CODES.get(status, "internal"), "message": error.description or error.name}
        allow = {
            name: value for name, value in error.get_headers() if name == "Allow"
        }  # of a 405: RFC 9110 section 15.5.6
        return *_answer(words, status), allow

    @app.errorhandler(Exception)
    def internal(_: Exception) -> ResponseReturnValue:
        log.exception("request failed")  # noqa: LOG004 # Flask calls it inside its own except
        return _answer({"code": "internal", "message": "something went wrong on our side"}, 500)


def answer_wsgi(environ: dict[str, Any], start_response: Any, refused: Refused) -> list[bytes]:
    """Answer a request that goes no further, and have its connection closed: what it sends besides is not read."""
    environ[HANG_UP] = True
    body = json.dumps({"error": refused.as_error()}).encode()
    status = HTTPStatus(STATUS[refused.code])
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *_fields(refused)]
    start_response(f"{status.value} {status.phrase}", fields)
    return [body]


def _fields(refused: Refused) -> list[tuple[str, str]]:
    """What its response head says besides: how to prove who one is, and how long to wait in whole seconds (RFC 9110)."""
    wait = [] if refused.retry_after is None else [("Retry-After", str(math.ceil(refused.retry_after)))]
    return [*(WWW_AUTHENTICATE.items() if refused.code == "unauthorized" else ()), *wait]


def _answer(error: dict[str, Any], status: int) -> tuple[Response, int]:
    return jsonify(error=error), status
