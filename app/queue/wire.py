"""The messages themselves: what a worker in any language reads and writes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from app.payload import ready

M = TypeVar("M")

Id = Annotated[str, Meta(min_length=1, max_length=64)]


class Undecodable(Exception):
    """A message is not what its subject promises; the text says what is wrong with it."""


@ready
class JobMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One attempt at a job. `deadline` is RFC 3339 in UTC; `links` are signed URLs for tasks that take an upload."""

    id: Id
    attempt: Annotated[int, Meta(ge=1)]
    task: Id
    room: Id
    args: dict[str, Any]
    deadline: str
    links: dict[str, str] | None = None


class WireError(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why a run failed; `retry_after` in seconds."""

    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None


@ready
class ResultMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a worker says of one run of an attempt; `ms` is how long the task took."""

    job: Id
    attempt: Annotated[int, Meta(ge=1)]
    run: Id
    state: Literal["running", "succeeded", "failed", "cancelled"]
    result: Any = None
    error: WireError | None = None
    progress: Any = None
    ms: float | None = None


def encode(message: msgspec.Struct) -> bytes:
    """The message as JSON."""
    return msgspec.json.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """The message; raises Undecodable."""
    try:
        message = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(str(error)) from None
    if isinstance(message, ResultMessage) and message.state == "failed" and message.error is None:
        raise Undecodable("Object missing required field `error` of a failed run")
    return message
