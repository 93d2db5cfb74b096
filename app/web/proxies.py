"""Who a request comes from where proxies stand in front of us: as many of them are believed as TRUST_PROXY says."""

from __future__ import annotations

import ipaddress
from typing import Any


class Proxied:
    """A WSGI application that sees the client's address and scheme instead of those of the proxies.

    Around Socket.IO as well: websocket handshakes come through here like any other request. Each proxy adds what it saw
    at the right of X-Forwarded-For and X-Forwarded-Proto; what is further left may be anybody's invention. Werkzeug's
    ProxyFix takes any text for an address, hence this.
    """

    def __init__(self, wsgi: Any, proxies: int) -> None:
        self._wsgi, self._proxies = wsgi, proxies

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if self._proxies:
            address = _address(self._said(environ, "HTTP_X_FORWARDED_FOR"))
            scheme = self._said(environ, "HTTP_X_FORWARDED_PROTO").lower()
            if address:
                environ["REMOTE_ADDR"] = address
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        return self._wsgi(environ, start_response)

    def _said(self, environ: dict[str, Any], name: str) -> str:
        """What the outermost of our proxies said; empty where there are fewer of them."""
        values = str(environ.get(name, "")).split(",")
        return values[-self._proxies].strip() if len(values) >= self._proxies else ""


def _address(text: str) -> str:
    """The IP address in it, without the port that some proxies add; empty when there is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
