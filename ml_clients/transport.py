"""One HTTP call to the model server: a kept-alive connection, a total deadline, errors translated.

Together with connection.py the only home of urllib3; its errors stop here.
"""

import json
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPException, IncompleteRead
from typing import Annotated, Any, TypeVar

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as PoolTimeout

from ml_clients.connection import DroppedConnection, pool_for
from ml_clients.deadline import remaining
from ml_clients.errors import (
    ModelAnswerInvalid,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)

DEFAULT_URL = "http://127.0.0.1:5001"
MAX_ANSWER_BYTES = 64 * 1024 * 1024
UNAVAILABLE = frozenset({408, 429, 500, 502, 503, 504})

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A number from 0 to 1 in an answer."""
Balance = Annotated[float, msgspec.Meta(ge=-1, le=1)]
"""A number from -1 to 1 in an answer."""

Answer = TypeVar("Answer")


_decoder = lru_cache(None)(msgspec.json.Decoder)
_first = threading.Lock()  # msgspec 0.22 crashes where two threads are the first to use a type


@dataclass(frozen=True)
class Server:
    """One server: its connections, and the path under which it answers."""

    pool: urllib3.HTTPConnectionPool
    prefix: str


def configure(url: str) -> None:
    """From now on every call goes to the model server at this base URL.

    Raises ValueError when it is no http or https URL. Until it is called the embedded server's
    own default address holds.
    """
    global _server  # one process talks to one model server
    _server = server_at(url)


def ask(path: str, question: dict[str, Any], answer: type[Answer]) -> Answer:
    """The server's answer to a question, both JSON, checked to be of the given type."""
    body = call(_server, "POST", path, json.dumps(question).encode(), "application/json")
    return decode(body, answer, path)


def decode(body: bytes, kind: type[Answer], who: str) -> Answer:
    """The body, which is JSON, as this kind of answer; raises ModelAnswerInvalid that names who gave it."""
    with _first:
        decoder = _decoder(kind)  # type: ignore[arg-type]  # a class can be hashed
    try:
        answer: Answer = decoder.decode(body)
        return answer
    except msgspec.DecodeError as error:
        raise ModelAnswerInvalid(f"{who} answered what we cannot use: {error}") from error


def transform(path: str, content: bytes) -> bytes:
    """The bytes the server makes of these bytes."""
    return call(_server, "POST", path, content, "application/octet-stream")


def server_at(url: str) -> Server:
    """The server at this base URL; raises ValueError when it is no http or https URL."""
    try:
        parts = urllib3.util.parse_url(url)
    except LocationParseError:
        parts = urllib3.util.Url()
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ValueError(f"a model server's URL is like {DEFAULT_URL}, not {url!r}")
    return Server(pool_for(parts.scheme, parts.host, parts.port), (parts.path or "").rstrip("/"))


def call(server: Server, method: str, path: str, body: bytes, content_type: str) -> bytes:
    """The answer to one call; raises one of the four model errors."""
    named = path.partition("?")[0]  # a query may hold a signature, and errors are shown to people
    try:
        try:
            return _send(server, method, path, body, content_type)
        except ProtocolError as error:
            if not isinstance(_cause(error), DroppedConnection):
                raise
            # The server closed an idle connection just as we used it. Sending again is safe:
            # a model call changes nothing on the server.
            return _send(server, method, path, body, content_type)
    except (TimeoutError, HTTPError) as error:
        raise _translated(named, error) from error


def _send(server: Server, method: str, path: str, body: bytes, content_type: str) -> bytes:
    response = server.pool.urlopen(
        method,
        server.prefix + path,
        body,
        {"Content-Type": content_type},
        retries=False,
        redirect=False,
        timeout=urllib3.Timeout(total=remaining()),
        preload_content=False,
    )
    try:
        answer = response.read(MAX_ANSWER_BYTES + 1)
    except BaseException:
        response.close()
        raise
    if len(answer) > MAX_ANSWER_BYTES:
        response.close()
        raise ModelAnswerInvalid(f"{path} answered more than {MAX_ANSWER_BYTES} bytes")
    response.release_conn()
    if response.status not in (200, 201):
        raise _refusal(path.partition("?")[0], response, answer)
    return answer


def _refusal(path: str, response: urllib3.BaseHTTPResponse, answer: bytes) -> ModelError:
    said = f"{path} answered {response.status}: {answer[:200].decode('utf-8', 'replace')}"
    if response.status in UNAVAILABLE:
        return ModelUnavailable(said, _seconds(response.headers.get("Retry-After")))
    if 400 <= response.status < 500:
        return ModelRefused(said)
    return ModelAnswerInvalid(said)


def _translated(path: str, error: Exception) -> ModelError:
    cause = _cause(error)
    # urllib3 derives a refused connection from its time-outs; it is none.
    late = isinstance(error, PoolTimeout) and not isinstance(error, NewConnectionError)
    if late or isinstance(cause, TimeoutError):
        return ModelTimeout(f"{path} did not answer in time")
    # What is cut off is a server gone away; any other breach of HTTP is no model server at all.
    if isinstance(cause, HTTPException) and not isinstance(cause, ConnectionError | IncompleteRead | DroppedConnection):
        return ModelAnswerInvalid(f"{path} answered no HTTP: {cause!r}")
    return ModelUnavailable(f"{path} cannot be reached: {cause}")


def _cause(error: Exception) -> BaseException:
    """What is inside the wrapper that urllib3 puts around errors of the connection."""
    inner = error.args[-1] if isinstance(error, ProtocolError) and error.args else None
    return inner if isinstance(inner, BaseException) else error


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
