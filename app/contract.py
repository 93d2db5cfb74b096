"""Every shape that enters or leaves: events, views, jobs and results on the queue. docs/contract.md describes them.

Types only: whoever reads or writes JSON does it with these, so that a field is named in one place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from app.payload import MAX_TEXT, Identifier, Key, PersonName, RoomName, Text, Upload, ready

MAX_RESULT_BYTES = 262_144  # of a job's arguments, and of its result, as JSON
MAX_TRACEBACK_BYTES = 8192  # kept of a traceback: its end, where the error is
MAX_DELAY_SECONDS = 30 * 86_400  # by which a job may be put off

UNFINISHED = ("accepted", "running", "retrying")
FINAL = ("succeeded", "failed", "cancelled", "skipped")

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # what a database column holds
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Attempt = Annotated[int, Meta(ge=1)]
Offset = Annotated[int, Meta(ge=0, le=MAX_TEXT)]  # into a text, in code points
# Words we choose ourselves: nothing checks them when they leave, and documents name them all.
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
JobState = Annotated[str, Meta(extra_json_schema={"enum": [*UNFINISHED, *FINAL]})]
JobPath = Annotated[str, Meta(extra_json_schema={"enum": ["simple", "queued"]})]
MessageKind = Annotated[str, Meta(extra_json_schema={"enum": ["user", "ml", "system"]})]
Callback = Annotated[str, Meta(min_length=1, max_length=2048)]
Zone = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_+/-]{1,64}\Z")]  # the IANA name of a time zone
DelaySeconds = Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)]


# What clients send


class Auth(msgspec.Struct, forbid_unknown_fields=True):
    """What a client says of itself when it connects."""

    name: PersonName
    id: Identifier | None = None


class Renew(msgspec.Struct, forbid_unknown_fields=True):
    """auth:renew"""

    token: Any  # looked at by app/auth/tokens.py


class RoomEvent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The data of an event that concerns a room; fields it does not name are refused."""

    room: RoomName


class Join(RoomEvent):
    """room:join"""

    after: Seq | None = None


class History(RoomEvent):
    """room:history"""

    before: Seq
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class MoreJobs(RoomEvent):
    """room:jobs"""

    after: Id


class Who(RoomEvent):
    """room:who"""

    after: Identifier | None = None


class Leave(RoomEvent):
    """room:leave"""


class Send(RoomEvent):
    """message:send"""

    key: Key
    text: Text
    upload: Upload | None = None
    draft: Id | None = None
    zone: Zone | None = None


class Create(RoomEvent):
    """job:create"""

    key: Key
    task: Id
    args: dict[str, Any] = {}
    replaces: Id | None = None
    zone: Zone | None = None


class RoomTasks(RoomEvent):
    """room:tasks"""

    tasks: dict[str, bool] | None = None


class Typing(RoomEvent):
    """typing"""

    on: bool


class Cancel(msgspec.Struct, forbid_unknown_fields=True):
    """job:cancel"""

    job: Id


class Retry(msgspec.Struct, forbid_unknown_fields=True):
    """job:retry"""

    job: Id


# What programs send over HTTP and NATS


class Sender(msgspec.Struct, forbid_unknown_fields=True):
    """The person for whom a program speaks."""

    id: Identifier
    name: PersonName


class NewMessage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /api/rooms/ROOM/messages"""

    key: Key
    text: Text
    upload: Upload | None = None
    sender: Sender | None = None
    zone: Zone | None = None


class JobRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request on requests.ROOM.TASK over NATS; `callback` is an https URL or nats:SUBJECT."""

    key: Key
    args: dict[str, Any] = {}
    callback: Callback | None = None
    delay_s: DelaySeconds = 0.0
    sender: Sender | None = None
    zone: Zone | None = None


class NewJob(JobRequest, kw_only=True):
    """The body of POST /api/rooms/ROOM/jobs"""

    task: Id


# What clients see


class Person(msgspec.Struct, frozen=True):
    """Who speaks or asks: a lasting identity and a name to show."""

    id: str
    name: str


SPILLWAY = Person("spillway", "Spillway")  # who speaks for the tasks


class MembersChanged(msgspec.Struct):
    """Who came to a room and who went, as `room:members` tells it."""

    room: str
    joined: list[Person]
    left: list[str]
    count: int


class Expiring(msgspec.Struct):
    """How long a connection's token is still good, as `auth:expiring` tells it."""

    seconds: int


class RoomRemoved(msgspec.Struct):
    """A room that a new token does not grant any more, as `room:removed` tells it."""

    room: str


class TasksChosen(msgspec.Struct):
    """Which tasks run on the messages of a room, as `room:tasks` tells it."""

    room: str
    tasks: dict[str, bool]


class MessageView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A chat message as `message:new`, joins and histories show it."""

    room: str
    seq: int
    id: str
    key: str | None = None
    sender: Person
    kind: MessageKind
    text: str
    data: dict[str, Any] | None = None
    upload: str | None = None
    job: str | None = None
    at: Time


class JobView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A job as `job:update` and `GET /api/jobs/ID` show it.

    `ms` is how long its last run took, `due` when a delayed job is to start, `text` what people have seen of its text
    (that of a job which succeeded is in its result), `replaces` the job that it was asked for in place of.
    """

    room: str
    id: str
    key: str | None = None
    task: str
    path: JobPath
    state: JobState
    attempt: int
    message: int | None = None
    sender: Person | None = None
    at: Time
    ms: float | None = None
    result: Raw | None = None
    error: Raw | None = None
    progress: Raw | None = None
    due: str | None = None
    text: str | None = None
    replaces: str | None = None


class JobDelta(msgspec.Struct):
    """How the text of a running attempt goes on, as `job:delta` tells it; `offset` is in code points, 0 first."""

    room: str
    job: str
    attempt: int
    offset: int
    text: str


# What programs are answered


class MessageAccepted(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to POST /api/rooms/ROOM/messages"""

    message: MessageView
    duplicate: bool = False


class JobAccepted(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to POST /api/rooms/ROOM/jobs and to DELETE /api/jobs/ID"""

    job: JobView
    duplicate: bool = False


class RoomPage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to GET /api/rooms/ROOM/messages: oldest first; `more` says that there are older ones."""

    messages: list[MessageView]
    jobs: list[JobView]
    more: bool = False


# How an attempt ends, and what goes over the queue


class JobError(msgspec.Struct, omit_defaults=True):
    """Why an attempt failed, and whether another may help (`retry_after`: seconds the other side asked for).

    `traceback` is for whoever wrote the task, and `status`, of a model's or provider's HTTP answer, for how the task is
    tried again: both are kept with the dead letter, and no client sees them.
    """

    code: str
    message: str
    retryable: bool = False
    retry_after: float | None = None
    traceback: str | None = None
    status: int | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """How one attempt ended: a state word, the result as JSON or the error, and how many ms the run took.

    `raised_at` is the line of the task's own file, as FILE:LINE, for the log of the process that ran it.
    """

    state: str  # succeeded, failed or cancelled
    result: bytes | None = None
    error: JobError | None = None
    ms: float | None = None
    raised_at: str | None = None


@ready
class JobMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One attempt on `jobs.LANE.TASK`. `deadline` is RFC 3339 in UTC; `links` are signed URLs for tasks that take an upload."""

    id: Id
    attempt: Attempt
    task: Id
    room: Id
    args: Raw
    deadline: str
    links: dict[str, str] | None = None


@ready
class ResultMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a worker says of one run of an attempt on `results.TASK`; `ms` is how long the task took."""

    job: Id
    attempt: Attempt
    run: Id
    state: Literal["running", "succeeded", "failed", "cancelled"]
    result: Raw = Raw()  # not `Raw | None`, which decodes only null
    error: JobError | None = None
    progress: Raw = Raw()
    ms: float | None = None


@ready
class DeltaMessage(msgspec.Struct, kw_only=True):
    """How the text of a run goes on, on `deltas.TASK.JOB`, and the answer to a request on `text.JOB`: what follows `offset`."""

    attempt: Attempt
    run: Id
    offset: Offset
    text: Annotated[str, Meta(max_length=MAX_TEXT)]


@ready
class TextRequest(msgspec.Struct, kw_only=True):
    """A request on `text.JOB`: what an attempt has written from this offset on."""

    attempt: Attempt
    offset: Offset = 0


class Doing(msgspec.Struct):
    """A job that runs, and for how many seconds."""

    job: str
    task: str
    room: str
    seconds: float


@ready
class WorkerDoing(msgspec.Struct):
    """What a worker says of itself on `workers.ID`, every two seconds."""

    id: str
    lanes: list[str]
    concurrency: int
    running: list[Doing]


def failure(code: str, message: str, retryable: bool = False) -> Outcome:
    """The outcome of an attempt that failed for a reason of our own."""
    return Outcome(state="failed", error=JobError(code, message, retryable))
