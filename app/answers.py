"""What we answer, and what the server sends: acks of events, events, and the bodies of HTTP answers, as types.

The documents at /asyncapi.json and /openapi.json are made from these. That real answers fit them is tested
(tests/documents), field by field and in both directions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.contract import (
    Expiring,
    JobPath,
    JobState,
    JobView,
    MembersChanged,
    MessageView,
    Person,
    RoomRemoved,
    Time,
)

Count = Annotated[int, Meta(ge=0)]
Percent = Annotated[int, Meta(ge=0, le=100)]
FlagPath = Literal["simple", "queued", "auto"]


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A field that has nothing to say is left out."""


class ErrorView(Answer):
    """Why something is refused: rely on `code`; `message` is for people, and `retry_after` is in seconds."""

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None


class Refusal(Answer):
    """The ack of an event that is refused."""

    ok: Literal[False]
    error: ErrorView


class ErrorAnswer(Answer):
    """The answer to an HTTP request that is refused."""

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


class FlagSet(Answer):
    """The path that a task takes, and for what share of rooms."""

    task: str
    path: FlagPath
    percent: Percent


class Draining(Answer):
    """The server stops within so many seconds."""

    seconds: float


SENT: dict[str, type[msgspec.Struct]] = {
    "message:new": MessageView,
    "job:update": JobView,
    "room:members": MembersChanged,
    "room:removed": RoomRemoved,
    "typing": Types,
    "flag:changed": FlagSet,
    "auth:expiring": Expiring,
    "server:draining": Draining,
}
"""Event of the server -> its data."""


# Answers over HTTP


class Alive(Answer):
    """The process lives."""

    ok: Literal[True]


class Readiness(Answer):
    """Whether it can do its work, and what it lacks."""

    ok: bool
    missing: list[str]


class FlagRow(FlagSet):
    """A flag in force, and whose it is; `takes` is the path of the room that was asked for."""

    source: str
    takes: FlagPath | None = None


class FlagList(Answer):
    """What is in force, `*` first; `queue` says whether one is configured."""

    default: FlagPath
    queue: bool
    flags: list[FlagRow]


class TaskView(Answer):
    """A task; `args` says in words what each argument is, `chip` how a result is worded."""

    task: str
    about: str
    runs: list[str]
    lane: str
    args: dict[str, str]
    chip: str | None = None


class TaskList(Answer):
    """Every task."""

    tasks: list[TaskView]


class JobList(Answer):
    """Jobs, the newest first."""

    jobs: list[JobView]


class Uploaded(Answer):
    """The ID of an image."""

    upload: str


class Dropped(Answer):
    """The ID of what is forgotten."""

    dropped: str


class LetterView(Answer):
    """A dead letter: a job (`kind` is `job`) or a message that nobody could read (`message`), which has a `subject`."""

    id: str
    kind: Literal["job", "message"]
    error: dict[str, Any] | None
    args: Any
    at: Time
    task: str | None = None
    room: str | None = None
    path: JobPath | None = None
    attempts: Count | None = None
    errors: list[Any] | None = None
    trace: str | None = None
    subject: str | None = None


class Letter(LetterView):
    """One dead letter; of a job also where its task raised, or null."""

    traceback: str | None = None


class LetterList(Answer):
    """The newest 500 dead letters."""

    dead_letters: list[LetterView]


class QueueNow(Answer):
    """The queue at this moment."""

    connected: bool
    pending: Count
    bytes: Count
    outbox: Count


class Now(Answer):
    """The figures of this moment; `queue` is null while no queue is in use."""

    running: Count
    backlog: Count
    clients: Count
    hub_lag_ms: float
    dead_letters: Count
    queue: QueueNow | None


class Minute(Answer):
    """How many jobs of a task ended in a state, on a path, in one minute."""

    minute: Time
    task: str
    path: JobPath
    state: JobState
    count: Count


class HeldView(Answer):
    """One time that the event loop was held up; `task` is null when it was no task."""

    task: str | None
    at: Time
    seconds: float
    where: str


class OperatorView(Answer):
    """What the operator page shows."""

    at: Time
    now: Now
    minutes: list[Minute]
    held: list[HeldView]
    recent: list[JobView]


class Figures(Answer):
    """Counts, and times from accepted to shown."""

    accepted: Count
    succeeded: Count
    failed: Count
    cancelled: Count
    skipped: Count
    retried: Count
    answers: Count
    p50_ms: float | None
    p95_ms: float | None


class PointFigures(Figures):
    """The figures of one point; `under_way` is how many were accepted and not final, at most."""

    under_way: Count


class BothPaths(Answer):
    """The figures of both paths."""

    simple: Figures
    queued: Figures


class Point(Answer):
    """One point of the last hour; readings are null where nothing was read."""

    at: Time
    seconds: float
    running: float | None
    backlog: float | None
    outbox: float | None
    queue_messages: float | None
    queue_bytes: float | None
    hub_lag_ms: float | None
    clients: float | None
    simple: PointFigures
    queued: PointFigures


class FlagChange(FlagSet):
    """When a flag became what it is."""

    at: Time


class LastHour(Answer):
    """The last hour on both paths: docs/contract.md, "The last hour"."""

    at: Time
    began: Time
    task: str
    minutes: Literal[10, 60]
    step: Literal[10, 60]
    flags: list[FlagRow]
    changes: list[FlagChange]
    paths: BothPaths
    points: list[Point]
