"""How many requests an address may make in a time."""

from __future__ import annotations

import threading
from typing import Any

from app.payload import Refused
from app.rate import ADDRESS, Buckets
from app.web.errors import answer_wsgi

FREE = ("/livez", "/readyz", "/healthz")  # who watches over us must not be told to wait
FREE_BELOW = ("/static/", "/socket.io/")  # files that pages need at once; and Socket.IO, which counts its events itself


class Rated:
    """A WSGI application that answers so many requests a second of each address; bursts of twice that."""

    def __init__(self, wsgi: Any, rate: float | None) -> None:
        """`rate` is RATE_LIMIT, what one connection may do; an address may do ten times as much, as for events."""
        self._wsgi = wsgi
        self.rate = rate * ADDRESS if rate is not None else None  # of an address
        self.addresses, self._lock = Buckets(), threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = str(environ.get("PATH_INFO", ""))
        if self.rate is None or path in FREE or path.startswith(FREE_BELOW):
            return self._wsgi(environ, start_response)
        with self._lock:
            wait = self.addresses.wait(str(environ.get("REMOTE_ADDR", "")), self.rate)
        if not wait:
            return self._wsgi(environ, start_response)
        why = f"more than {self.rate:g} requests a second from one address"
        return answer_wsgi(environ, start_response, Refused("rate_limited", why, retry_after=wait))
