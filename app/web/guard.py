"""Who may change state over HTTP: requests to our own host, from our own pages, in a form no foreign page can send."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request

from app.payload import Refused
from app.settings import LOOPBACK, Settings

SAFE = ("GET", "HEAD", "OPTIONS")
CONTENT_TYPES = ("application/json", "multipart/form-data", "application/octet-stream", "image/")
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


def register(app: Flask, settings: Settings) -> None:
    """Check what comes in, and tell browsers what our pages may do."""

    @app.before_request
    def check() -> None:
        _check_host(settings)
        if request.method not in SAFE:
            _check_origin(settings)
            _check_content_type()

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def _check_host(settings: Settings) -> None:
    """A page that rebinds its DNS name to 127.0.0.1 still says its own name in Host."""
    host = urlsplit(f"//{request.host}").hostname or ""
    if settings.host in LOOPBACK and host not in LOOPBACK:
        raise Refused("forbidden", f"this server answers as {' or '.join(LOOPBACK)}, not as {host}")


def _check_origin(settings: Settings) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host and origin not in settings.cors_origins:
        raise Refused("forbidden", f"pages from {origin} may not change anything here: CORS_ORIGINS says who may")


def _check_content_type() -> None:
    """A plain form of a foreign page cannot set these types without asking first (CORS preflight), except multipart,
    which the Origin check covers."""
    if request.content_length and not (request.content_type or "").startswith(CONTENT_TYPES):
        raise Refused("bad_request", f"content type {request.content_type}: one of {', '.join(CONTENT_TYPES)} is right")
