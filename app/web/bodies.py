"""How large a request's body may be: looked at before anything of it is read, on every route."""

from __future__ import annotations

from typing import Any

from app.payload import Refused
from app.web.errors import answer_wsgi

FORM_BYTES = 16_384  # around the file of an upload
MAX_BODY_BYTES = 65_536  # of what is no upload and no event


class Bounded:
    """A WSGI application that refuses bodies which are too large, or do not say how large they are."""

    def __init__(self, wsgi: Any, max_upload: int, max_event: int) -> None:
        """Bytes of one file, and of what a client that polls sends at once."""
        self._wsgi, self._max_upload, self._max_event = wsgi, max_upload, max_event

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = environ.get("CONTENT_LENGTH") or "0"
        most, what = self._bound(str(environ.get("PATH_INFO", "")))
        refused = None
        if "HTTP_TRANSFER_ENCODING" in environ or not length.isdecimal():
            refused = Refused("bad_request", "the request must say in Content-Length how long its body is")
        elif int(length) > most:
            refused = Refused("too_large", f"{what} has at most {most} bytes, not {length}")
        if refused is None:
            return self._wsgi(environ, start_response)
        return answer_wsgi(environ, start_response, refused)

    def _bound(self, path: str) -> tuple[int, str]:
        if path.startswith("/socket.io"):
            return self._max_event, "what is sent by polling"
        if path == "/api/uploads" or path.startswith("/uploads/"):
            return self._max_upload + FORM_BYTES, "an upload"
        return MAX_BODY_BYTES, "a request"
