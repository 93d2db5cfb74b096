"""Tasks: one file each in this folder, found by its name; `@task` is all it takes.

A task is a plain function, or a generator that yields what people are to see meanwhile. Its parameters are the arguments
a client sends, checked against their types, except those that Spillway fills in: `history` (the room's newest messages,
as many as declared), `links` (signed links to the upload and for its output), `written` (when and where its message was
written, or it was asked for) and one named after the task that this one follows (that task's result).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any, TypeVar, Unpack, get_args, get_origin, get_type_hints, overload

import msgspec

from app.payload import Reader, Refused, Text, Upload, ready
from app.task import Delta, Line, Links, Options, Progress, Said, Task, TaskDeclarationInvalid, Written
from app.task_checks import check_chain, check_chip, check_declaration
from app.where import place_of

__all__ = [
    "Delta",
    "Line",
    "Links",
    "Progress",
    "Refused",
    "Said",
    "Task",
    "TaskDeclarationInvalid",
    "Text",
    "Upload",
    "Written",
    "discover",
    "on_message",
    "task",
]

K = TypeVar("K")


@overload
def task(function: Callable[..., Any]) -> Task: ...


@overload
def task(**options: Unpack[Options]) -> Callable[[Callable[..., Any]], Task]: ...


def task(function: Callable[..., Any] | None = None, **options: Unpack[Options]) -> Any:
    """Declare the function in this file as a task, with these options (app/task.py says what each means)."""

    def declare(function: Callable[..., Any]) -> Task:
        default = () if options.get("after") else ("request",)
        runs = tuple(options.get("runs") or default)
        ordered = options.get("ordered")
        if ordered is None:
            ordered = options.get("says") is not None and "request" in runs
        given: dict[str, Any] = {**options, "runs": runs, "ordered": ordered}
        return _described(Task(function, **given))

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
    check_chain(found)
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
    """The tasks that can run on user messages, by themselves and after others; a room chooses which of them do."""
    return [each for each in tasks.values() if "message" in each.runs]


def with_delays(tasks: Mapping[str, Task], seconds: Mapping[str, Any]) -> dict[str, Task]:
    """The tasks with the seconds of the settings that their `delay` names; raises TaskDeclarationInvalid."""
    found = {}
    for name, each in tasks.items():
        found[name] = each
        if isinstance(each.delay, str):
            if not isinstance(seconds.get(each.delay), float):
                raise TaskDeclarationInvalid(
                    f"app/tasks/{name}.py: delay={each.delay!r} is no setting that is in seconds"
                )
            found[name] = replace(each, delay_s=seconds[each.delay])
    return found


def of_a_room(tasks: Mapping[str, Task]) -> dict[str, bool]:
    """The tasks among which a room chooses, and whether each runs where it has not: on messages, and after such tasks."""
    chosen = {name: each.on for name, each in tasks.items() if "message" in each.runs}
    waiting = list(chosen)
    while waiting:
        for follower in tasks[waiting.pop()].followers:
            chosen[follower] = tasks[follower].on
            waiting.append(follower)
    return dict(sorted(chosen.items()))


def _described(declared: Task) -> Task:
    """Read name, description, arguments and result off the function."""
    function = declared.function
    name = function.__name__
    hints = get_type_hints(function, include_extras=True)
    given = {"history", "links", "written", declared.after} & set(inspect.signature(function).parameters)
    fields = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in given:
            continue
        if parameter.name not in hints:
            raise TaskDeclarationInvalid(f"task {name}: parameter {parameter.name} needs a type")
        bare = parameter.default is inspect.Parameter.empty
        fields.append((parameter.name, hints[parameter.name], *(() if bare else (parameter.default,))))
    check_declaration(name, declared, {each[0] for each in fields}, given)
    streams = inspect.isgeneratorfunction(function)
    returns = _readable(name, _result_type(hints.get("return", dict[str, Any]), streams))
    if declared.chip is not None:
        check_chip(name, declared.chip, returns)
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
