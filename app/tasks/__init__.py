"""Tasks: one file each in this folder, found by its name; `@task` is all it takes.

A task is a plain function, or a generator that yields what people are to see meanwhile. Its parameters are the arguments
a client sends, checked against their types, except those that Spillway fills in: `history` (the room's newest messages,
as many as declared), `links` (signed links to the upload and for its output) and one named after the task that this one
follows (that task's result).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import string
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Annotated, Any, NamedTuple, TypedDict, TypeVar, get_args, get_origin, get_type_hints, overload

import msgspec
from msgspec import Meta

from app.payload import Reader, Refused, Text, Upload, convert, read, ready
from app.where import place_of

__all__ = [
    "Delta",
    "Line",
    "Links",
    "Progress",
    "Said",
    "Task",
    "TaskDeclarationInvalid",
    "Text",
    "Upload",
    "discover",
    "on_message",
    "task",
]

RUNS = ("message", "request")
OVERLAPS = ("queue", "refuse", "replace")
FROM_MESSAGE = {"text"}  # what a task that runs on every message may ask for
Result = Mapping[str, Any]
K = TypeVar("K")


class TaskDeclarationInvalid(Exception):
    """A file in app/tasks declares a task that cannot work; the message names it and what is wrong."""


class Line(TypedDict):
    """One message of a room's history."""

    sender: str
    text: str


class Links(TypedDict):
    """Signed links of one attempt: GET the upload, PUT its output."""

    get: str
    put: str


class Said(NamedTuple):
    """What a result tells the people in the room, as a message of kind `ml`; `data` goes with it to clients, as JSON."""

    text: str
    upload: str | None = None
    data: dict[str, Any] | None = None


class Delta(NamedTuple):
    """The next piece of a text that people see grow; a task that yields them is a generator."""

    text: str


class Progress(NamedTuple):
    """How far a run has come: a share from 0 to 1, and a few words on what it does."""

    fraction: float
    words: str = ""


@dataclass(frozen=True)
class Task:
    """A declared task: still the function, with everything both paths need to know about it."""

    function: Callable[..., Any]
    runs: tuple[str, ...]
    after: str | None
    history: int
    lane: str
    attempts: int
    timeout: float
    deadline: float
    says: Callable[[Any], Said | None] | None
    ordered: bool
    when: Callable[[Any], bool] | None
    chip: str | None = None
    draft: bool = False
    overlap: str = "queue"
    needs: str | None = None
    max_inflight: int | None = None
    rate: float | None = None
    name: str = ""
    about: str = ""
    arguments: type[msgspec.Struct] = msgspec.Struct
    returns: Any = dict[str, Any]
    given: frozenset[str] = field(default_factory=frozenset)  # parameters that Spillway fills in
    followers: tuple[str, ...] = ()  # the tasks that run after this one
    results: Reader[Any] = Reader(dict[str, Any])
    streams: bool = False  # it is a generator

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, as a unit test does."""
        return self.function(*args, **kwargs)

    def check(self, args: Any, values_are_checked: bool = False) -> dict[str, Any]:
        """The arguments a client sent, or Refused(bad_request) with the field named `args.FIELD`."""
        fit = convert if values_are_checked else read
        try:
            return dict(msgspec.structs.asdict(fit(args, self.arguments)))
        except Refused as error:
            where = f"args.{error.field}" if error.field else "args"
            raise Refused("bad_request", f"task {self.name}: {error.message}", where) from None

    def check_result(self, result: bytes) -> None:
        """Raise Refused when the result, as JSON, is not what the function's annotation promises."""
        self.results.read(result)


@overload
def task(function: Callable[..., Any]) -> Task: ...


@overload
def task(
    *,
    runs: Iterable[str] | None = None,
    after: str | None = None,
    history: int = 0,
    lane: str = "ml",
    attempts: int = 8,
    timeout: float = 30,
    deadline: float = 900,
    says: Callable[[Any], Said | None] | None = None,
    ordered: bool | None = None,
    when: Callable[[Any], bool] | None = None,
    chip: str | None = None,
    draft: bool = False,
    overlap: str = "queue",
    needs: str | None = None,
    max_inflight: int | None = None,
    rate: float | None = None,
) -> Callable[[Callable[..., Any]], Task]: ...


def task(
    function: Callable[..., Any] | None = None,
    *,
    runs: Iterable[str] | None = None,
    after: str | None = None,
    history: int = 0,
    lane: str = "ml",
    attempts: int = 8,
    timeout: float = 30,
    deadline: float = 900,
    says: Callable[[Any], Said | None] | None = None,
    ordered: bool | None = None,
    when: Callable[[Any], bool] | None = None,
    chip: str | None = None,
    draft: bool = False,
    overlap: str = "queue",
    needs: str | None = None,
    max_inflight: int | None = None,
    rate: float | None = None,
) -> Any:
    """Declare the function in this file as a task.

    `runs`: on every user "message", on "request", or both (default: on request, or not by itself when `after` is given);
    `after`: runs when that task has delivered; `history`: how many messages it wants to see; `lane`: which workers serve
    it; `attempts` in all; `timeout`: seconds for one attempt; `deadline`: seconds from acceptance to the last answer;
    `says`: what a result tells the room, or None; `ordered`: whether answers are shown in the order asked, in their room
    (default: when it says something and runs on request); `when`: a cheap condition on the message's text, or on the
    result of the task it follows, without which there is no job; `chip`: a result in words, "{label}, {score}" with its
    fields in braces; `draft`: only staff and operators see what it writes, and that it runs; `overlap`: what a second
    request does while one of its task runs in the room: "queue" (it runs as well), "refuse" or "replace"; `needs`: the
    setting without which it cannot run; `max_inflight`: attempts at once everywhere; `rate`: how many start a second.
    """
    default = () if after else ("request",)

    def declare(function: Callable[..., Any]) -> Task:
        chosen = tuple(default if runs is None else runs)
        in_order = says is not None and "request" in chosen if ordered is None else ordered
        return _described(
            Task(
                function, chosen, after, history, lane, attempts, timeout, deadline, says, in_order, when, chip,
                draft, overlap, needs, max_inflight, rate,
            )
        )  # fmt: skip

    return declare if function is None else declare(function)


def discover() -> dict[str, Task]:
    """Every task in this folder by name, in alphabetical order; raises TaskDeclarationInvalid."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        declared = [value for value in vars(_loaded(module.name)).values() if isinstance(value, Task)]
        if [each.name for each in declared] != [module.name]:
            raise TaskDeclarationInvalid(
                f"app/tasks/{module.name}.py must declare one task, a function named {module.name}"
            )
        found[module.name] = declared[0]
    _check_chain(found)
    return {
        name: replace(each, followers=tuple(other for other in found if found[other].after == name))
        for name, each in found.items()
    }


def _loaded(name: str) -> ModuleType:
    """The module of one task; whatever is wrong with it is told in one sentence that names the file."""
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except TaskDeclarationInvalid as wrong:
        raise TaskDeclarationInvalid(f"app/tasks/{name}.py: {wrong}") from None
    except Exception as error:  # the file is somebody's own code: it may raise anything
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise TaskDeclarationInvalid(f"app/tasks/{name}.py cannot be imported: {words} ({place_of(error)})") from None


def on_message(tasks: Mapping[str, Task]) -> list[Task]:
    """The tasks that run on every user message."""
    return [each for each in tasks.values() if "message" in each.runs]


def _described(declared: Task) -> Task:
    """Read name, description, arguments and result off the function."""
    function = declared.function
    name = function.__name__
    hints = get_type_hints(function, include_extras=True)
    given = {"history", "links", declared.after} & set(inspect.signature(function).parameters)
    fields = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in given:
            continue
        if parameter.name not in hints:
            raise TaskDeclarationInvalid(f"task {name}: parameter {parameter.name} needs a type")
        bare = parameter.default is inspect.Parameter.empty
        fields.append((parameter.name, hints[parameter.name], *(() if bare else (parameter.default,))))
    _check_declaration(name, declared, {each[0] for each in fields}, given)
    streams = inspect.isgeneratorfunction(function)
    returns = _readable(name, _result_type(hints.get("return", dict[str, Any]), streams))
    if declared.chip is not None:
        _check_chip(name, declared.chip, returns)
    return replace(
        declared,
        name=name,
        about=(inspect.getdoc(function) or name).splitlines()[0],
        arguments=_readable(name, msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)),
        returns=returns,
        results=Reader(returns),
        given=frozenset(each for each in given if each),
        streams=streams,
    )


def _result_type(annotation: Any, streams: bool) -> Any:
    """What the function returns in the end; of a generator this is the third part of its `Generator[...]`."""
    if not streams:
        return annotation
    parts = get_args(annotation)
    returned = parts[2] if get_origin(annotation) is Generator and len(parts) == 3 else None
    return dict[str, Any] if returned in (None, Any, type(None)) else returned


def _readable(name: str, kind: K) -> K:
    try:
        return ready(kind)
    except TypeError as error:
        raise TaskDeclarationInvalid(f"task {name}: JSON cannot carry one of its types: {error}") from None


def _check_declaration(name: str, declared: Task, own: set[str], given: set[str | None]) -> None:
    if not set(declared.runs) <= set(RUNS):
        raise TaskDeclarationInvalid(f"task {name}: runs is {_named(declared.runs)}, allowed are {_named(RUNS)}")
    if "message" in declared.runs and not own <= FROM_MESSAGE:
        raise TaskDeclarationInvalid(
            f"task {name} runs on every message and can take only {_named(FROM_MESSAGE)}, not {_named(own - FROM_MESSAGE)}"
        )
    if declared.after and not own <= FROM_MESSAGE:
        raise TaskDeclarationInvalid(
            f"task {name} follows {declared.after}: it can take its result, text, history and links,"
            f" not {_named(own - FROM_MESSAGE)}"
        )
    if declared.when is not None and not (declared.after or "message" in declared.runs):
        raise TaskDeclarationInvalid(f"task {name}: when= needs a message or a task before it to look at")
    if ("history" in given) != (declared.history > 0):
        raise TaskDeclarationInvalid(f"task {name}: history=N and a parameter named history go together")
    if declared.overlap not in OVERLAPS:
        raise TaskDeclarationInvalid(
            f"task {name}: overlap is {declared.overlap!r}, expected is one of {', '.join(OVERLAPS)}"
        )
    if declared.draft and declared.says is not None:
        raise TaskDeclarationInvalid(
            f"task {name}: a draft says nothing to the room, so draft and says exclude each other"
        )
    if not (declared.attempts >= 1 and declared.timeout > 0 and declared.deadline > 0):
        raise TaskDeclarationInvalid(f"task {name}: attempts, timeout and deadline must be above 0")
    _check_limits(name, declared)
    try:
        msgspec.convert(declared.lane, Annotated[str, Meta(pattern=r"\A[a-z0-9_-]{1,32}\Z")])
    except msgspec.ValidationError:
        raise TaskDeclarationInvalid(f"task {name}: lane {declared.lane!r} must be 1-32 of a-z 0-9 _ -") from None


def _check_limits(name: str, declared: Task) -> None:
    most, rate = declared.max_inflight, declared.rate
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise TaskDeclarationInvalid(f"task {name}: max_inflight is {most!r}, expected is a whole number from 1")
    if rate is not None and (not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate <= 1e6):
        raise TaskDeclarationInvalid(f"task {name}: rate is {rate!r}, expected is a number above 0, of starts a second")


def _check_chip(name: str, chip: str, returns: Any) -> None:
    known = {each.encode_name for each in getattr(msgspec.inspect.type_info(returns), "fields", ())}
    try:
        parts = list(string.Formatter().parse(chip))
    except ValueError as error:
        raise TaskDeclarationInvalid(f"task {name}: chip={chip!r} is invalid: {error}") from None
    for _, named, spec, conversion in parts:
        if named is not None and (named not in known or spec or conversion):
            raise TaskDeclarationInvalid(
                f"task {name}: chip={chip!r} is invalid: {{{named}}} must be a field of its result"
                f" ({', '.join(sorted(known)) or 'which has no named fields'}), without a format"
            )


def _named(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "nothing"


def _check_chain(tasks: Mapping[str, Task]) -> None:
    for each in tasks.values():
        seen, current = {each.name}, each
        while current.after:
            if current.after not in tasks:
                raise TaskDeclarationInvalid(
                    f"app/tasks/{current.name}.py: task {current.name} runs after {current.after},"
                    " which is not in app/tasks"
                )
            if current.after in seen:
                raise TaskDeclarationInvalid(f"app/tasks/{current.name}.py: task {current.name} runs after itself")
            seen.add(current.after)
            current = tasks[current.after]
