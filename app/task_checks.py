"""What a declaration must not say, each told in one sentence."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.task import Task, TaskDeclarationInvalid

RUNS = ("message", "request")
OVERLAPS = ("queue", "refuse", "replace")
FROM_MESSAGE = {"text"}  # what a task that runs on every message may ask for


def check_declaration(name: str, declared: Task, own: set[str], given: set[str | None]) -> None:
    """Raise TaskDeclarationInvalid where options, or parameters, do not go together; `own` are its own arguments."""
    for is_wrong, why in (*_wrong_words(declared), *_wrong_together(declared, own, given)):
        if is_wrong:
            raise TaskDeclarationInvalid(f"task {name}{why}")
    try:
        msgspec.convert(declared.lane, Annotated[str, Meta(pattern=r"\A[a-z0-9_-]{1,32}\Z")])
    except msgspec.ValidationError:
        raise TaskDeclarationInvalid(f"task {name}: lane {declared.lane!r} must be 1-32 of a-z 0-9 _ -") from None


Checks = list[tuple[bool, str]]
"""Whether something is wrong, and what: the sentence goes on from the task's name."""


def _wrong_words(declared: Task) -> Checks:
    most, rate = declared.max_inflight, declared.rate
    return [
        (not set(declared.runs) <= set(RUNS), f": runs is {_named(declared.runs)}, allowed are {_named(RUNS)}"),
        (
            declared.overlap not in OVERLAPS,
            f": overlap is {declared.overlap!r}, expected is one of {', '.join(OVERLAPS)}",
        ),
        (
            most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1),
            f": max_inflight is {most!r}, expected is a whole number from 1",
        ),
        (
            rate is not None and (not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate <= 1e6),
            f": rate is {rate!r}, expected is a number above 0, of starts a second",
        ),
        (
            not (declared.attempts >= 1 and declared.timeout > 0 and declared.deadline > 0),
            ": attempts, timeout and deadline must be above 0",
        ),
    ]


def _wrong_together(declared: Task, own: set[str], given: set[str | None]) -> Checks:
    on_message, after, others = "message" in declared.runs, declared.after, own - FROM_MESSAGE
    of_message = on_message or bool(after)
    return [
        (
            on_message and bool(others),
            f" runs on every message and can take only {_named(FROM_MESSAGE)}, not {_named(others)}",
        ),
        (
            bool(after and others),
            f" follows {after}: it can take its result, text, history and links, not {_named(others)}",
        ),
        (declared.when is not None and not of_message, ": when= needs a message or a task before it to look at"),
        (("history" in given) != (declared.history > 0), ": history=N and a parameter named history go together"),
        (bool(after) and "written" in given, f" follows {after}: it cannot take written"),
        (declared.unless_answered and not of_message, ": unless_answered needs a message that could be answered"),
        (
            callable(declared.delay) and "request" not in declared.runs,
            ": delay as a function of arguments needs runs with request",
        ),
        (
            declared.draft and declared.says is not None,
            ": a draft says nothing to the room, so draft and says exclude each other",
        ),
    ]


def check_chip(name: str, chip: str, returns: Any) -> None:
    """Raise TaskDeclarationInvalid where its words name what the result has not."""
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


def check_chain(tasks: Mapping[str, Task]) -> None:
    """Raise TaskDeclarationInvalid where a task follows one that is not there, or itself."""
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
