"""Bodies of HTTP answers."""

from __future__ import annotations

from typing import Any, Literal

from app.answers.answer import Answer, Count, ErrorView, FlagPath, FlagSet
from app.contract import Doing, JobPath, JobState, JobView, Time
from app.controls.rules import Retries


class ErrorAnswer(Answer):
    """The answer to an HTTP request that is refused."""

    error: ErrorView


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


class TaskLimits(Answer):
    """What keeps attempts of a task from starting: whether its lane is paused, the limits it declares; and how it is tried
    again, where operators have set that.
    """

    task: str
    lane: str
    lane_paused: bool = False
    max_inflight: int | None = None
    rate: float | None = None
    retries: Retries | None = None


class TaskRules(TaskLimits, kw_only=True):
    """What is set of a task: whether it is paused itself, and what else."""

    paused: bool


class LaneView(Answer):
    """A lane: whether it is paused, and its tasks."""

    lane: str
    paused: bool
    tasks: list[str]


class LaneList(Answer):
    """Every lane."""

    lanes: list[LaneView]


class TaskView(TaskLimits, kw_only=True):
    """A task; `args` says in words what each argument is, `chip` how a result is worded, `draft` that only those who
    answer people see what it writes, `not_configured` what to set or install before it can be asked for, `on` (false) that
    it runs only in rooms that switch it on, and `conditional` that it runs on some messages alone.
    """

    about: str
    runs: list[str]
    args: dict[str, str]
    chip: str | None = None
    draft: bool = False
    not_configured: str | None = None
    on: bool = True
    conditional: bool = False
    paused: bool = False


class TaskList(Answer):
    """Every task."""

    tasks: list[TaskView]


class JobList(Answer):
    """Jobs, the newest first; `more` says that there are older ones that match."""

    jobs: list[JobView]
    more: bool = False


class JobDetails(Answer):
    """A job with everything that is kept of it: what it was given, its attempts, and when which began and ended.

    `attempts` is how many it may have, `errors` are those of earlier ones, `next` is when the next one may start,
    `published` the newest attempt that the broker is known to have, `dead` that it is a dead letter.
    """

    job: JobView
    args: Any
    attempts: Count
    errors: list[Any]
    error: dict[str, Any] | None
    traceback: str | None
    started: Time | None
    finished: Time | None
    next: Time | None
    deadline: Time
    published: Count
    dead: bool
    trace: str


class Uploaded(Answer):
    """The ID of an image."""

    upload: str


class Dropped(Answer):
    """The ID of what is forgotten."""

    dropped: str


class LetterView(Answer):
    """A dead letter: a job (`kind` is `job`), a message that nobody could read (`message`), which has a `subject`, or a
    callback that nobody took (`callback`), which has the ID of its `job` and the `host` that was called.
    """

    id: str
    kind: Literal["job", "message", "callback"]
    error: dict[str, Any] | None
    at: Time
    args: Any = None
    task: str | None = None
    room: str | None = None
    path: JobPath | None = None
    attempts: Count | None = None
    errors: list[Any] | None = None
    trace: str | None = None
    subject: str | None = None
    job: str | None = None
    host: str | None = None


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
    """The figures of this moment, of all web processes; `queue` is null while no queue is in use."""

    running: Count
    backlog: Count
    clients: Count
    hub_lag_ms: float
    dead_letters: Count
    queue: QueueNow | None
    processes: list[WebProcess]
    workers: list[WorkerSeen]


class WebProcess(Answer):
    """One web process, and what it does right now."""

    id: str
    address: str
    draining: bool
    running: Count
    backlog: Count
    clients: Count
    hub_lag_ms: float
    jobs: list[Doing]


class WorkerSeen(Answer):
    """One worker that was heard lately, and what it does right now."""

    id: str
    lanes: list[str]
    concurrency: Count
    running: list[Doing]


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
