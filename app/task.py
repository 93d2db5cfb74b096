"""What a declared task is, and the types that its function speaks in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

import msgspec

from app.payload import Reader, Refused, convert, read

Delay = Callable[[dict[str, Any]], float]  # the arguments to the seconds after which a run starts; raises Refused


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


class Written(TypedDict):
    """When a message was written, as RFC 3339 on its writer's clock, and the IANA name of their time zone."""

    at: str
    zone: str


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


class Options(TypedDict, total=False):
    """What `@task(...)` may say of a task; docs/tasks.md explains each."""

    runs: Iterable[str] | None  # on every user "message", on "request", or both; by default on request, unless after
    after: str | None  # runs when that task has delivered
    history: int  # how many messages it wants to see
    lane: str  # which workers serve it
    attempts: int  # in all
    timeout: float  # seconds for one attempt
    deadline: float  # seconds from acceptance to the last answer
    says: Callable[[Any], Said | None] | None  # what a result tells the room, or None
    # Whether answers are shown in the order asked, in their room; by default where it says something and runs on request.
    ordered: bool | None
    # A cheap condition on the message's text, or on the result of the task it follows, without which there is no job.
    when: Callable[[Any], bool] | None
    chip: str | None  # how a result is worded on the page, such as "{label}, {score}", with fields of it in braces
    draft: bool  # only staff and operators see what it writes, and that it runs
    # What a second request does while one runs in the room: "queue" (it runs as well), "refuse" (it gets `conflict`) or
    # "replace" (it ends the first).
    overlap: str
    needs: str | None  # the setting without which it cannot run, such as "LLM_URL"
    max_inflight: int | None  # how many of its attempts are under way at once, everywhere
    rate: float | None  # how many of its attempts start a second
    on: bool  # whether it runs on the messages of a room that has not chosen
    delay: str | Delay | None  # the setting that says after how many seconds it starts, or a function of its arguments
    unless_answered: bool  # it is skipped when one of those who answer has written in the room since its message


@dataclass(frozen=True)
class Task:
    """A declared task: still the function, with everything both paths need to know about it."""

    function: Callable[..., Any]
    runs: tuple[str, ...]
    ordered: bool
    after: str | None = None
    history: int = 0
    lane: str = "ml"
    attempts: int = 8
    timeout: float = 30
    deadline: float = 900
    says: Callable[[Any], Said | None] | None = None
    when: Callable[[Any], bool] | None = None
    chip: str | None = None
    draft: bool = False
    overlap: str = "queue"
    needs: str | None = None
    max_inflight: int | None = None
    rate: float | None = None
    on: bool = True
    delay: str | Delay | None = None
    unless_answered: bool = False
    name: str = ""
    about: str = ""
    arguments: type[msgspec.Struct] = msgspec.Struct
    returns: Any = dict[str, Any]
    given: frozenset[str] = field(default_factory=frozenset)  # parameters that Spillway fills in
    followers: tuple[str, ...] = ()  # the tasks that run after this one
    results: Reader[Any] = Reader(dict[str, Any])
    streams: bool = False  # it is a generator
    delay_s: float = 0.0  # of the setting that `delay` names

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
