"""Who may ask for what: requests to our own host; changes only from our own pages, in a form no foreign page can send."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request

from app.payload import Refused
from app.settings import LOOPBACK, Settings
from app.web.errors import answer_wsgi

SAFE = ("GET", "HEAD", "OPTIONS")
CONTENT_TYPES = ("application/json", "multipart/form-data", "application/octet-stream", "image/", "audio/")
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'{renewal}; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


class OurHost:
    """A WSGI application for requests to our own host only: around Socket.IO as well, which Flask never sees.

    A page that rebinds its DNS name to 127.0.0.1 still says its own name in Host.
    """

    def __init__(self, wsgi: Any, settings: Settings) -> None:
        self._wsgi, self._only_loopback = wsgi, settings.host in LOOPBACK

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        host = host_name(environ.get("HTTP_HOST", ""))
        if self._only_loopback and host not in LOOPBACK:
            why = f"this server answers as {' or '.join(LOOPBACK)}, not as {host or 'a host without a name'}"
            return answer_wsgi(environ, start_response, Refused("forbidden", why))
        return self._wsgi(environ, start_response)


def register(app: Flask, settings: Settings) -> None:
    """Check what comes in, and tell browsers what our pages may do."""

    @app.before_request
    def check() -> None:
        if request.method not in SAFE:
            _check_origin(settings)
            _check_content_type()

    elsewhere = urlsplit(settings.auth_renew_url)
    renewal = f" {elsewhere.scheme}://{elsewhere.netloc}" if elsewhere.netloc else ""
    policy = POLICY.format(renewal=renewal)

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def may_connect(settings: Settings, origin: str | None, host: str) -> bool:
    """Whether a page from this origin may change something here: our own always, and those CORS_ORIGINS names."""
    return origin is None or origin in settings.cors_origins or _place(origin) == host


def _check_origin(settings: Settings) -> None:
    origin = request.headers.get("Origin")
    if not may_connect(settings, origin, request.host):
        raise Refused("forbidden", f"pages from {origin} may not change anything here: CORS_ORIGINS says who may")


def _check_content_type() -> None:
    """A plain form of a foreign page cannot set these types without asking first (CORS preflight), except multipart,
    which the Origin check covers."""
    if request.content_length and not (request.content_type or "").startswith(CONTENT_TYPES):
        raise Refused("bad_request", f"content type {request.content_type}: one of {', '.join(CONTENT_TYPES)} is right")


def host_name(host: str) -> str:
    """A Host header without its port; empty when it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _place(origin: str) -> str:
    """Host and port of an origin; empty when it makes no sense."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
