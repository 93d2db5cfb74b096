"""Workloads: small TOML files that say who arrives when and asks for what. docs/compare.md describes them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from app.drive.replay import ConversationInvalid, Line, lines_of
from app.payload import Refused, read
from app.tasks import Task
from ml_clients.synthetic.behaviour import MODELS, Times

GIVEN = ("text", "upload")  # arguments a driver can fill in
PRESETS = Path(__file__).parent / "presets"
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "clinic.jsonl"
SPEED = 10.0  # lines a second of a conversation that comes without times, as `replay` plays it
SENDER = "Writer"
MOST = 1_000_000  # messages of one run: all of them are drawn before it begins
DEPLOYS_APART = 10.0  # seconds: `make run` gives a part up that ends five times within thirty
Positive = Annotated[float, Meta(gt=0, le=86_400)]


class WorkloadInvalid(Exception):
    """The file is no workload; the message names the file, the field and what would be right."""


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The service level the verdict holds paths to."""

    ack_ms: Positive = 100.0  # p99 of acks
    answer_s: Positive = 2.0  # p95 of answers
    tasks: dict[str, Positive] = {}  # seconds, where a task's bound on answers is another


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One workload, as its file says it."""

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


class Recorded(Line):
    """One line of a recorded conversation, with its time where that is known."""

    at: Annotated[float, Meta(ge=0, le=86_400)] | None = None  # seconds since the first


class Arrival(NamedTuple):
    """One message that is due, with the jobs asked for right after it."""

    at: float  # seconds since the run began
    room: int
    sender: str
    text: str
    asks: list[str]


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
    """Everything that is due in one run, in order of time; the same for the same seed, on every path.

    `factor` multiplies the rate; the time stays as it is. `folder` is where the workload's file lies.
    """
    random = Random(seed)  # noqa: S311 - a load, not a secret
    lines = _lines(workload, folder)
    if workload.arrivals == "poisson":
        texts = [line.text for line in lines]
        due = [
            Arrival(at, random.randrange(workload.rooms), SENDER, texts[number % len(texts)], [])
            for number, at in enumerate(_poisson(workload, factor, random))
        ]
    else:
        due = _played(workload, lines, factor, random)
    return sorted(each._replace(asks=_asks(workload, random)) for each in due)


def conversation_texts(workload: Workload, folder: Path) -> list[str]:
    """What is said in this workload, line by line."""
    return [line.text for line in _lines(workload, folder)]


def senders(due: Iterable[Arrival]) -> dict[int, list[str]]:
    """Who writes in which room."""
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
    """The conversation in every room over and over, each from a moment of its own, `factor` times as fast."""
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
    """The jobs asked for after one message: 0.2 is one after every fifth message on average, 2 is two after each."""
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
    seconds = len(lines) / SPEED if last is None else last + 1 / SPEED
    return Workload(
        name=path.stem,
        about=f"the conversation {path.name}, {len(lines) / seconds:.3g} lines a second",
        seconds=seconds,
        rate=SPEED,
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
    """The lines of a conversation; all of them have their time, or none has."""
    lines = lines_of(path, Recorded)
    times = [line.at for line in lines if line.at is not None]
    if times and (len(times) < len(lines) or times != sorted(times)):
        raise Refused("bad_request", f"{path.name}: either every line has a time `at`, growing, or none has", "at")
    return lines


def _check_tasks(workload: Workload, tasks: Mapping[str, Task]) -> None:
    for field, names in (("requests", workload.requests), ("bounds.tasks", workload.bounds.tasks)):
        for name in names:
            if name not in tasks:
                raise Refused("bad_request", f"{field}: there is no task {name!r}; {', '.join(tasks)} are right", field)
    for name in workload.requests:
        wanted = {each.name for each in msgspec.structs.fields(tasks[name].arguments) if each.required}
        if "request" not in tasks[name].runs or not wanted <= set(GIVEN):
            raise Refused(
                "bad_request", f"requests: task {name} cannot be asked for with a text or an upload", "requests"
            )


def _check_together(workload: Workload) -> None:
    """Fields that are right only together with others."""
    if unknown := set(workload.times) - set(MODELS):
        raise Refused("bad_request", f"times: there is no model {min(unknown)}; {', '.join(MODELS)} are right", "times")
    if workload.times and workload.models != "synthetic":
        raise Refused("bad_request", 'times: only models = "synthetic" has times that can be set', "times")
    if (workload.arrivals == "recorded") != (workload.recorded is not None):
        raise Refused("bad_request", 'recorded: a file and arrivals = "recorded" go together', "recorded")
    if not any(workload.curve):
        raise Refused("bad_request", "curve: somewhere it must be above 0", "curve")
    if workload.arrivals == "recorded" and workload.curve != [1.0]:
        raise Refused("bad_request", 'curve: only arrivals = "poisson" follow one', "curve")
    if 0 < workload.deploy_every < DEPLOYS_APART:
        raise Refused("bad_request", f"deploy_every: 0, or at least {DEPLOYS_APART:g} s", "deploy_every")


def _check_size(workload: Workload, lines: list[Recorded]) -> None:
    """Refuse what would fill the memory before a single message is sent."""
    expected = workload.seconds * workload.rate * sum(workload.curve) / len(workload.curve)
    if lines[0].at is not None and workload.arrivals == "recorded":
        gap = workload.rooms / workload.rate
        expected = workload.rooms * len(lines) * max(1.0, workload.seconds / ((lines[-1].at or 0.0) + gap))
    if expected > MOST:
        raise Refused("bad_request", f"rate: {expected:,.0f} messages in all; {MOST:,} are the most", "rate")
