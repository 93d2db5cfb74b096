"""Acks of events, and the events that the server sends."""

from __future__ import annotations

from typing import Literal

import msgspec

from app.answers.answer import Answer, Count, ErrorView, FlagSet
from app.contract import (
    Expiring,
    JobDelta,
    JobView,
    MembersChanged,
    MessageView,
    Person,
    RoomRemoved,
    TasksChosen,
)


class Refusal(Answer):
    """The ack of an event that is refused."""

    ok: Literal[False]
    error: ErrorView


# Acks of events that are accepted


class Done(Answer):
    """It is done, and there is nothing to say about it."""

    ok: Literal[True]


class Joined(Done):
    """What is in a room: docs/contract.md, "Joining"."""

    seq: Count
    messages: list[MessageView]
    jobs: list[JobView]
    members: list[Person]
    member_count: Count
    upload_token: str
    wait: Count
    more: Literal[True] | None = None
    more_jobs: Literal[True] | None = None
    reset: Literal[True] | None = None


class Older(Done):
    """Messages with their jobs, oldest first."""

    messages: list[MessageView]
    jobs: list[JobView]


class FurtherJobs(Done):
    """Jobs that did not fit into the answer to a join."""

    jobs: list[JobView]
    more_jobs: Literal[True] | None = None


class Present(Done):
    """The people in a room."""

    members: list[Person]
    count: Count
    more: Literal[True] | None = None


class Chosen(Done):
    """Every task among which a room chooses, and whether it runs on the room's messages."""

    tasks: dict[str, bool]


class Sent(Done):
    """The message as it is stored."""

    message: MessageView
    duplicate: Literal[True] | None = None


class Accepted(Done):
    """The job as it is stored."""

    job: JobView
    duplicate: Literal[True] | None = None


class JobNow(Done):
    """The job as it stands now."""

    job: JobView


class Renewed(Done):
    """When the new token ends, in seconds since 1970, and which rooms it grants."""

    exp: float | None
    rooms: list[str]


ACKS: dict[str, type[Done]] = {
    "room:join": Joined,
    "room:history": Older,
    "room:jobs": FurtherJobs,
    "room:who": Present,
    "room:leave": Done,
    "room:tasks": Chosen,
    "message:send": Sent,
    "job:create": Accepted,
    "job:cancel": JobNow,
    "job:retry": JobNow,
    "typing": Done,
    "auth:renew": Renewed,
}
"""Event of a client -> what its ack says when it is accepted."""


# What the server sends


class Types(Answer):
    """Somebody types, or stopped."""

    room: str
    sender: Person
    on: bool


class Draining(Answer):
    """The server stops within so many seconds."""

    seconds: float


SENT: dict[str, type[msgspec.Struct]] = {
    "message:new": MessageView,
    "job:update": JobView,
    "job:delta": JobDelta,
    "room:members": MembersChanged,
    "room:removed": RoomRemoved,
    "room:tasks": TasksChosen,
    "typing": Types,
    "flag:changed": FlagSet,
    "auth:expiring": Expiring,
    "server:draining": Draining,
}
"""Event of the server -> its data."""
