"""The contract's shapes, written down a second time: what clients were promised, whatever the application thinks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

FINAL = ("succeeded", "failed", "cancelled", "skipped")

Time = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")]
Code = Literal[
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "not_in_room",
    "unknown_task",
    "conflict",
    "too_large",
    "rate_limited",
    "busy",
    "draining",
    "internal",
]


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing beside what is named."""


class Sender(Shape):
    """Who."""

    id: str
    name: str


class Message(Shape, kw_only=True):
    """message:new"""

    room: str
    seq: Annotated[int, Meta(ge=1)]
    id: str
    key: str | msgspec.UnsetType = msgspec.UNSET
    sender: Sender
    kind: Literal["user", "system", "ml"]
    text: str
    data: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    upload: str | msgspec.UnsetType = msgspec.UNSET
    job: str | msgspec.UnsetType = msgspec.UNSET
    at: Time


class JobError(Shape, kw_only=True):
    """Why a job failed."""

    code: str
    message: str
    retryable: bool = False
    retry_after: float | msgspec.UnsetType = msgspec.UNSET


class Job(Shape, kw_only=True):
    """job:update"""

    room: str
    id: str
    key: str | msgspec.UnsetType = msgspec.UNSET
    task: str
    path: Literal["simple", "queued"]
    state: Literal["accepted", "running", "retrying", "succeeded", "failed", "cancelled", "skipped"]
    attempt: Annotated[int, Meta(ge=1)]
    message: int | msgspec.UnsetType = msgspec.UNSET
    sender: Sender | msgspec.UnsetType = msgspec.UNSET
    at: Time
    ms: float | msgspec.UnsetType = msgspec.UNSET
    progress: Any = msgspec.UNSET
    result: Any = msgspec.UNSET
    error: JobError | msgspec.UnsetType = msgspec.UNSET
    due: Time | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    replaces: str | msgspec.UnsetType = msgspec.UNSET


class Delta(Shape):
    """job:delta"""

    room: str
    job: str
    attempt: Annotated[int, Meta(ge=1)]
    offset: Annotated[int, Meta(ge=0, le=8191)]
    text: Annotated[str, Meta(min_length=1)]


class Members(Shape):
    """room:members"""

    room: str
    joined: list[Sender]
    left: list[str]
    count: Annotated[int, Meta(ge=0)]


class Types(Shape):
    """typing"""

    room: str
    sender: Sender
    on: bool


class Flag(Shape):
    """flag:changed"""

    task: str
    path: Literal["simple", "queued", "auto"]
    percent: Annotated[int, Meta(ge=0, le=100)]


class Expiring(Shape):
    """auth:expiring"""

    seconds: Annotated[int, Meta(ge=0, le=60)]


class RoomRemoved(Shape):
    """room:removed"""

    room: str


class TasksOfRoom(Shape):
    """room:tasks"""

    room: str
    tasks: dict[str, bool]


class Draining(Shape):
    """server:draining"""

    seconds: float


class Error(Shape):
    """What an ack says when the answer is no."""

    code: Code
    message: Annotated[str, Meta(min_length=1)]
    field: str | msgspec.UnsetType = msgspec.UNSET
    retry_after: float | msgspec.UnsetType = msgspec.UNSET
    job: str | msgspec.UnsetType = msgspec.UNSET


class Refusal(Shape):
    """The ack of anything refused."""

    ok: Literal[False]
    error: Error


class Done(Shape):
    """The ack of room:leave and typing."""

    ok: Literal[True]


class Joined(Done):
    """room:join"""

    seq: Annotated[int, Meta(ge=0)]
    messages: Annotated[list[Message], Meta(max_length=500)]
    jobs: Annotated[list[Job], Meta(max_length=1000)]
    members: Annotated[list[Sender], Meta(max_length=200)]
    member_count: Annotated[int, Meta(ge=1)]
    upload_token: str
    wait: Annotated[int, Meta(ge=0)]
    more: Literal[True] | msgspec.UnsetType = msgspec.UNSET
    more_jobs: Literal[True] | msgspec.UnsetType = msgspec.UNSET
    reset: Literal[True] | msgspec.UnsetType = msgspec.UNSET


class Past(Done):
    """room:history"""

    messages: Annotated[list[Message], Meta(max_length=200)]
    jobs: list[Job]


class Rest(Done):
    """room:jobs"""

    jobs: Annotated[list[Job], Meta(max_length=1000)]
    more_jobs: Literal[True] | msgspec.UnsetType = msgspec.UNSET


class Here(Done):
    """room:who"""

    members: Annotated[list[Sender], Meta(max_length=200)]
    count: Annotated[int, Meta(ge=1)]
    more: Literal[True] | msgspec.UnsetType = msgspec.UNSET


class Sent(Done):
    """message:send"""

    message: Message
    duplicate: Literal[True] | msgspec.UnsetType = msgspec.UNSET


class Created(Done):
    """job:create"""

    job: Job
    duplicate: Literal[True] | msgspec.UnsetType = msgspec.UNSET


class Cancelled(Done):
    """job:cancel"""

    job: Job


class Renewed(Done):
    """auth:renew"""

    exp: float
    rooms: list[str]


class Chosen(Done):
    """room:tasks"""

    tasks: dict[str, bool]


class Retried(Done):
    """job:retry"""

    job: Job


ACKS: dict[str, type[Done]] = {
    "room:join": Joined,
    "room:history": Past,
    "room:jobs": Rest,
    "room:who": Here,
    "room:leave": Done,
    "room:tasks": Chosen,
    "message:send": Sent,
    "job:create": Created,
    "job:cancel": Cancelled,
    "job:retry": Retried,
    "typing": Done,
    "auth:renew": Renewed,
}
EVENTS: dict[str, type[Shape]] = {
    "message:new": Message,
    "job:update": Job,
    "job:delta": Delta,
    "room:members": Members,
    "typing": Types,
    "flag:changed": Flag,
    "server:draining": Draining,
    "auth:expiring": Expiring,
    "room:removed": RoomRemoved,
    "room:tasks": TasksOfRoom,
}


def check_ack(event: str, ack: Any) -> None:
    """Fails unless this is what the contract promises to whoever sends this event."""
    accepted = isinstance(ack, dict) and ack.get("ok") is True
    msgspec.convert(ack, ACKS[event] if accepted else Refusal, strict=True)


def check_event(event: str, data: Any) -> None:
    """Fails unless the server may send this."""
    msgspec.convert(data, EVENTS[event], strict=True)
