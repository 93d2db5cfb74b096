"""How large a request's body may be: looked at before anything of it is read, on every route."""

from __future__ import annotations

from typing import Any

from app.concurrency.paced import HANG_UP
from app.payload import Refused
from app.web.errors import answer_wsgi

FORM_BYTES = 16_384  # around the file of an upload
MAX_BODY_BYTES = 65_536  # of what is no upload and no event
UPLOAD = "an upload"
EVENT = "what is sent by polling"


class Bounded:
    """A WSGI application that refuses bodies which are too large, or do not say how large they are."""

    def __init__(self, wsgi: Any, max_upload: int, max_event: int) -> None:
        """Bytes of one file, and of what a client that polls sends at once."""
        self._wsgi, self._max_upload, self._max_event = wsgi, max_upload, max_event

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = environ.get("CONTENT_LENGTH") or "0"
        what, most, spare = self._bound(str(environ.get("PATH_INFO", "")))
        refused: Refused | None = None
        if "HTTP_TRANSFER_ENCODING" in environ or not length.isdecimal():
            refused = Refused("bad_request", "the request must say in Content-Length how long its body is")
        elif int(length) > most + spare and what == EVENT:
            environ[HANG_UP] = True  # it is refused below, where its session is ended as well
        elif int(length) > most + spare:
            refused = too_large(what, most, "file" if what == UPLOAD else None)
        if refused is None:
            return self._wsgi(environ, start_response)
        return answer_wsgi(environ, start_response, refused)

    def _bound(self, path: str) -> tuple[str, int, int]:
        """What it is, how large it may be, and what may be around it."""
        if path.startswith("/socket.io"):
            return EVENT, self._max_event, 0
        if path == "/api/uploads" or path.startswith("/uploads/"):
            return UPLOAD, self._max_upload, FORM_BYTES
        if path.startswith("/api/rooms/"):  # the same may be sent as an event
            return "a message or job", self._max_event, 0
        return "a request", MAX_BODY_BYTES, 0


def too_large(what: str, most: int, field: str | None = None) -> Refused:
    """Why it is refused, in the words of people: `an upload has at most 10 MB`."""
    for unit, name in ((1 << 20, "MB"), (1 << 10, "KB"), (1, "bytes")):
        if most >= unit:
            return Refused("too_large", f"{what} has at most {round(most / unit, 1):g} {name}", field)
    return Refused("too_large", f"{what} must be empty", field)
