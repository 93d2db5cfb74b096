"""One HTTP call to the model server: its address, its JSON, and errors translated into the four of a model."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from string import punctuation
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from ml_clients import connection
from ml_clients.connection import Connections, NotHttp
from ml_clients.deadline import call_ends_at
from ml_clients.errors import (
    ModelAnswerInvalid,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)

DEFAULT_URL = "http://127.0.0.1:5001"
DEFAULT_PORTS = {"http": 80, "https": 443}
UNAVAILABLE = frozenset({408, 429, 500, 502, 503, 504})

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A number from 0 to 1 in an answer."""
Balance = Annotated[float, msgspec.Meta(ge=-1, le=1)]
"""A number from -1 to 1 in an answer."""

Kind = TypeVar("Kind")

_NOT_IN_A_TARGET = re.compile(r"[^!-~]")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_first = threading.Lock()  # msgspec 0.22 crashes where two threads are the first to use a type


@dataclass(frozen=True)
class Server:
    """One server: its connections, and the base path under which it answers."""

    pool: Connections
    prefix: str


def configure(
    url: str, wait_readable: Callable[[int, float], bool] | None = None, pause: Callable[[], None] | None = None
) -> None:
    """From now on every call goes to the model server at this base URL.

    `wait_readable(fd, seconds)` waits for the first byte of an answer, where the process has a cheaper way to do so than
    its sockets; it returns whether the descriptor was readable in time. `pause` waits a moment between two reads of an
    answer that streams, where many at a time would wake the process too often.

    Raises ValueError when it is no http or https URL. Until it is called the embedded server's
    own default address holds.
    """
    global _server  # one process talks to one model server
    _server = server_at(url)
    connection.wait_readable, connection.pause = wait_readable, pause


def ask(path: str, question: dict[str, Any], answer: type[Kind]) -> Kind:
    """The server's answer to a question, both JSON, checked to be of the given type."""
    body = call(_server, "POST", path, _encoded(question), "application/json")
    return decode(body, answer, path)


def _encoded(question: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(question)
    except UnicodeEncodeError:  # half a surrogate pair, which json writes as an escape
        return json.dumps(question).encode()


def decode(body: bytes, kind: type[Kind], who: str) -> Kind:
    """The body, which is JSON, as this kind of answer; raises ModelAnswerInvalid that names who gave it."""
    decoder = _decoders.get(kind)
    if decoder is None:
        with _first:
            decoder = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    try:
        answer: Kind = decoder.decode(body)
        return answer
    except msgspec.DecodeError as error:
        raise ModelAnswerInvalid(f"{who} answered what we cannot use: {error}") from error


def ask_about(path: str, content: bytes, answer: type[Kind]) -> Kind:
    """The server's answer, as JSON, to the bytes of a file."""
    return decode(call(_server, "POST", path, content, "application/octet-stream"), answer, path)


def transform(path: str, content: bytes) -> bytes:
    """The bytes the server makes of these bytes."""
    return call(_server, "POST", path, content, "application/octet-stream")


def server_at(url: str) -> Server:
    """The server at this base URL; raises ValueError when it is no http or https URL."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        if not host or _NOT_IN_A_TARGET.search(host):
            raise ValueError(f"{host!r} is no host")
    except (ValueError, KeyError) as error:
        raise ValueError(f"a model server's URL is like {DEFAULT_URL}, not {url!r}") from error
    authority = f"[{host}]" if ":" in host else host
    if port != DEFAULT_PORTS[parts.scheme]:
        authority += f":{port}"
    return Server(Connections(host, port, parts.scheme == "https", authority), parts.path.rstrip("/"))


def call(server: Server, method: str, path: str, body: bytes, content_type: str) -> bytes:
    """The body of the answer to one call; raises one of the four model errors."""
    named = path.partition("?")[0]  # a query may hold a signature, and errors are shown to people
    try:
        answer = server.pool.exchange(method, _target(server.prefix + path), content_type, body, call_ends_at())
    except TimeoutError as error:
        raise ModelTimeout(f"{named} did not answer in time") from error
    except NotHttp as error:
        raise ModelAnswerInvalid(f"{named} {error}") from error
    except OSError as error:
        raise ModelUnavailable(f"{named} cannot be reached: {error}") from error
    if answer.status not in (200, 201):
        raise refusal(named, answer.status, answer.body, answer.retry_after)
    return answer.body


def _target(path: str) -> str:
    """A path and query as a request line can carry them: a link may hold anything."""
    return quote(path, safe=punctuation, errors="replace") if _NOT_IN_A_TARGET.search(path) else path


def refusal(who: str, status: int, body: bytes, retry_after: str | None) -> ModelError:
    """What it means that somebody answered with another status than 200; `retry_after` is the header."""
    said = f"{who} answered {status}: {body[:200].decode('utf-8', 'replace')}"
    kind = ModelUnavailable if status in UNAVAILABLE else ModelRefused if 400 <= status < 500 else ModelAnswerInvalid
    return kind(said, _seconds(retry_after), status)


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds from now; None when there is none that makes sense."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdecimal():
            return float(retry_after)
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


_server = server_at(DEFAULT_URL)
