"""Workloads: small TOML files that say who arrives when and asks for what. docs/compare.md describes them."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from app.payload import PersonName, Refused, Text, read
from app.tasks import Task
from app.tasks import task as declare
from ml_clients.synthetic.behaviour import MODELS, Times

FILLABLE_ARGUMENTS = ("text", "upload")  # a driver can fill in these
PRESETS = Path(__file__).parent / "presets"
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "clinic.jsonl"
DEFAULT_LINES_PER_SECOND = 10.0  # of a conversation without times, as `replay` plays it
POISSON_SENDER = "Writer"
MAX_MESSAGES = 1_000_000  # of one run: all arrivals are drawn before it begins
MIN_DEPLOY_SECONDS = 10.0  # `make run` gives up on a part that ends five times within thirty seconds
Positive = Annotated[float, Meta(gt=0, le=86_400)]
TaskName = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,31}\Z")]
# A task that computes in Python: a green thread cannot be interrupted in it, so on the simple path chat waits for it.
PYTHON_TASK = '''"""Some milliseconds of Python, for a comparison."""

import time
from typing import TypedDict

from app.tasks import Text, task


class Computed(TypedDict):
    """How often the loop went round."""

    rounds: int


@task
def NAME(text: Text) -> Computed:
    """MILLISECONDS ms of Python"""
    until, rounds = time.thread_time() + MILLISECONDS / 1000, 0  # of processor time: waiting for a core does not count
    while time.thread_time() < until:
        rounds += 1
    return Computed(rounds=rounds)
'''


class WorkloadInvalid(Exception):
    """The file is not a workload; the message names the file, the field and what is expected."""


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The service level that a path must keep."""

    ack_ms: Positive = 100.0  # p99 of acks
    answer_s: Positive = 2.0  # p95 of answers
    tasks: dict[str, Positive] = {}  # seconds, of tasks whose bound on answers differs


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One workload, as in its file."""

    name: str = ""  # of the file
    about: str
    seconds: Positive  # for which load arrives
    rate: Annotated[float, Meta(gt=0, le=10_000)]  # messages a second in all rooms, where the curve is 1
    curve: Annotated[list[Annotated[float, Meta(ge=0, le=1000)]], Meta(min_length=1, max_length=1000)] = msgspec.field(
        default_factory=lambda: [1.0]
    )
    rooms: Annotated[int, Meta(ge=1, le=1000)] = 10
    arrivals: Literal["poisson", "recorded"] = "poisson"
    recorded: str | None = None  # a conversation: JSON lines of sender, text and, if known, at
    requests: dict[str, Annotated[float, Meta(ge=0, le=10)]] = {}  # task -> jobs asked for, for each message
    history: Annotated[int, Meta(ge=0, le=500)] = 0  # messages in each room before the load begins
    models: Literal["embedded", "synthetic"] = "embedded"
    times: dict[str, Times] = {}  # of the synthetic model server, by model
    bounds: Bounds = Bounds()
    deploy_every: Annotated[float, Meta(ge=0, le=86_400)] = 0.0  # seconds between two restarts of our processes
    python_ms: dict[
        TaskName, Annotated[float, Meta(gt=0, le=60_000)]
    ] = {}  # tasks of these runs alone, see PYTHON_TASK


class ConversationInvalid(Exception):
    """The file is not a conversation; the message names the line and what is expected."""


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of a conversation."""

    sender: PersonName
    text: Text


class Recorded(Line):
    """One line of a recorded conversation, with its time if known."""

    at: Annotated[float, Meta(ge=0, le=86_400)] | None = None  # seconds since the first


class Arrival(NamedTuple):
    """One message that is due, with the tasks requested at the same time."""

    at: float  # seconds since the run began
    room: int
    sender: str
    text: str
    asks: list[str]


L = TypeVar("L", bound=Line)


def presets() -> list[str]:
    """The names of the workloads that come with Spillway."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load(path: Path, tasks: Mapping[str, Task]) -> Workload:
    """The workload of a file, TOML or a conversation of JSON lines; raises WorkloadInvalid."""
    try:
        workload = _of_conversation(path) if path.suffix == ".jsonl" else _of_toml(path)
        _check_tasks(workload, tasks)
        _check_together(workload)
        _check_size(workload, _lines(workload, path.parent))
    except Refused as no:
        named = no.field is None or no.field.rpartition(".")[2] in no.message
        raise WorkloadInvalid(f"{path.name}: {no.message if named else f'{no.field}: {no.message}'}") from None
    except tomllib.TOMLDecodeError as error:
        raise WorkloadInvalid(f"{path.name} is not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise WorkloadInvalid(f"{path.name} is not UTF-8: {error}") from None
    except (ConversationInvalid, OSError) as error:
        raise WorkloadInvalid(f"{path.name}: {error}") from None
    return workload


def arrivals(workload: Workload, folder: Path, factor: float, seed: int) -> list[Arrival]:
    """All arrivals of one run, in order of time; the same for the same seed, on every path.

    `factor` multiplies the rate; the time stays as it is. `folder` is where the workload's file lies.
    """
    random = Random(seed)  # noqa: S311 - a load, not a secret
    lines = _lines(workload, folder)
    if workload.arrivals == "poisson":
        texts = [line.text for line in lines]
        due = [
            Arrival(at, random.randrange(workload.rooms), POISSON_SENDER, texts[number % len(texts)], [])
            for number, at in enumerate(_poisson(workload, factor, random))
        ]
    else:
        due = _played(workload, lines, factor, random)
    return sorted(each._replace(asks=_asks(workload, random)) for each in due)


def with_python_tasks(workload: Workload, tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The tasks of a run: those of app/tasks, and a declaration for each that the workload adds."""
    return {**tasks, **{name: _declared(name) for name in workload.python_ms}}


def _declared(name: str) -> Task:
    """What a comparison must know of PYTHON_TASK under this name: that it is requested with a text."""

    def compute(text: Text) -> dict[str, Any]:
        return {"text": text}

    compute.__name__ = name
    return declare(compute)


def python_task_files(workload: Workload) -> dict[str, str]:
    """The files that the workload's own tasks are in app/tasks, by task."""
    return {
        name: PYTHON_TASK.replace("NAME", name).replace("MILLISECONDS", f"{milliseconds:g}")
        for name, milliseconds in workload.python_ms.items()
    }


def conversation_texts(workload: Workload, folder: Path) -> list[str]:
    """The texts of this workload, line by line."""
    return [line.text for line in _lines(workload, folder)]


def senders(due: Iterable[Arrival]) -> dict[int, list[str]]:
    """The senders of each room."""
    found: dict[int, dict[str, None]] = {}
    for each in due:
        found.setdefault(each.room, {})[each.sender] = None
    return {room: list(names) for room, names in found.items()}


def _poisson(workload: Workload, factor: float, random: Random) -> list[float]:
    """Arrival times with independent exponential gaps, whose rate follows the curve in equal slices of the time."""
    width = workload.seconds / len(workload.curve)
    times = []
    for number, height in enumerate(workload.curve):
        at, rate = number * width, workload.rate * factor * height
        while rate > 0 and (at := at + random.expovariate(rate)) < (number + 1) * width:
            times.append(at)
    return times


def _played(workload: Workload, lines: list[Recorded], factor: float, random: Random) -> list[Arrival]:
    """The conversation in every room, repeated, each room from a random offset, `factor` times as fast."""
    gap = workload.rooms / workload.rate
    offsets = [number * gap if line.at is None else line.at for number, line in enumerate(lines)]
    length = offsets[-1] + gap
    due = []
    for room in range(workload.rooms):
        start = random.uniform(0, gap) if workload.rooms > 1 else 0.0
        for turn in range(math.ceil(workload.seconds * factor / length)):
            for offset, line in zip(offsets, lines, strict=True):
                at = start + (turn * length + offset) / factor
                if at < workload.seconds:
                    due.append(Arrival(at, room, line.sender, line.text, []))
    return due


def _asks(workload: Workload, random: Random) -> list[str]:
    """The tasks requested after one message: 0.2 is one after every fifth message on average, 2 is two after each."""
    asks = []
    for task, share in workload.requests.items():
        whole, part = divmod(share, 1)
        asks += [task] * (int(whole) + (random.random() < part))
    return asks


def _of_toml(path: Path) -> Workload:
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return read({"name": path.stem, **data}, Workload)


def _of_conversation(path: Path) -> Workload:
    lines = _timed(path)
    last = lines[-1].at
    seconds = len(lines) / DEFAULT_LINES_PER_SECOND if last is None else last + 1 / DEFAULT_LINES_PER_SECOND
    return Workload(
        name=path.stem,
        about=f"the conversation {path.name}, {len(lines) / seconds:.3g} lines a second",
        seconds=seconds,
        rate=DEFAULT_LINES_PER_SECOND,
        rooms=1,
        arrivals="recorded",
        recorded=path.name,
    )


def _lines(workload: Workload, folder: Path) -> list[Recorded]:
    path = EXAMPLE if workload.recorded is None else folder / workload.recorded
    try:
        return _timed(path)
    except OSError as error:
        raise Refused("bad_request", f"recorded: cannot read {path}: {error.strerror}", "recorded") from None


def _timed(path: Path) -> list[Recorded]:
    """The lines of a conversation, of which either all or none have times."""
    lines = lines_of(path, Recorded)
    times = [line.at for line in lines if line.at is not None]
    if times and (len(times) < len(lines) or times != sorted(times)):
        raise Refused("bad_request", f"{path.name}: expected an increasing time `at` on every line, or on none", "at")
    return lines


def conversation(path: Path) -> list[Line]:
    """The lines of a file of JSON lines; raises ConversationInvalid."""
    return lines_of(path, Line)


def lines_of(path: Path, kind: type[L]) -> list[L]:
    """The lines of a conversation file, each of this kind; raises ConversationInvalid."""
    lines = []
    # Split as bytes: as text U+2028 and its like would end a line too, which JSON allows inside of one.
    for number, content in enumerate(path.read_bytes().splitlines(), 1):
        if not content.strip():
            continue
        try:
            lines.append(read(json.loads(content.decode()), kind))
        except (ValueError, Refused, RecursionError) as error:
            raise ConversationInvalid(
                f'{path}, line {number}: {error}; expected {{"sender": "Ann", "text": "Hello"}}'
            ) from None
    if not lines:
        raise ConversationInvalid(f"{path} has no lines")
    return lines


def _check_tasks(workload: Workload, tasks: Mapping[str, Task]) -> None:
    for name in workload.python_ms:
        if name in tasks:
            raise Refused(
                "bad_request", f"python_ms: there is a task {name!r} already; expected a new name", "python_ms"
            )
    tasks = with_python_tasks(workload, tasks)
    for field, names in (("requests", workload.requests), ("bounds.tasks", workload.bounds.tasks)):
        for name in names:
            if name not in tasks:
                raise Refused(
                    "bad_request", f"{field}: unknown task {name!r}; expected one of {', '.join(tasks)}", field
                )
    for name in workload.requests:
        wanted = {each.name for each in msgspec.structs.fields(tasks[name].arguments) if each.required}
        if "request" not in tasks[name].runs or not wanted <= set(FILLABLE_ARGUMENTS):
            raise Refused(
                "bad_request", f"requests: task {name} cannot be requested with a text or an upload", "requests"
            )


def _check_together(workload: Workload) -> None:
    """Check fields that depend on each other."""
    if unknown := set(workload.times) - set(MODELS):
        raise Refused(
            "bad_request", f"times: unknown model {min(unknown)}; expected one of {', '.join(MODELS)}", "times"
        )
    if workload.times and workload.models != "synthetic":
        raise Refused("bad_request", 'times: expected only with models = "synthetic"', "times")
    if (workload.arrivals == "recorded") != (workload.recorded is not None):
        raise Refused("bad_request", 'recorded: expected if and only if arrivals = "recorded"', "recorded")
    if not any(workload.curve):
        raise Refused("bad_request", "curve: expected at least one number above 0", "curve")
    if workload.arrivals == "recorded" and workload.curve != [1.0]:
        raise Refused("bad_request", 'curve: expected only with arrivals = "poisson"', "curve")
    if 0 < workload.deploy_every < MIN_DEPLOY_SECONDS:
        raise Refused(
            "bad_request", f"deploy_every: expected 0, or at least {MIN_DEPLOY_SECONDS:g} seconds", "deploy_every"
        )


def _check_size(workload: Workload, lines: list[Recorded]) -> None:
    """Refuse a run whose arrivals would not fit into memory."""
    expected = workload.seconds * workload.rate * sum(workload.curve) / len(workload.curve)
    if lines[0].at is not None and workload.arrivals == "recorded":
        gap = workload.rooms / workload.rate
        expected = workload.rooms * len(lines) * max(1.0, workload.seconds / ((lines[-1].at or 0.0) + gap))
    if expected > MAX_MESSAGES:
        raise Refused(
            "bad_request", f"rate: {expected:,.0f} messages in all, expected at most {MAX_MESSAGES:,}", "rate"
        )
