"""What a route takes and answers, declared beside it: OpenAPI says the rest from Flask's own table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

Needs = Literal["nothing", "token", "room", "operator", "link", "metrics"]
"""Who may ask: anybody, any valid token, one that grants the room, an operator's, a signed link, or METRICS_TOKEN."""


@dataclass(frozen=True)
class Route:
    """The types of one route. `answer`, `body` are types of JSON, or media types as text; `form` is multipart."""

    about: str
    answer: Any
    status: int = 200
    needs: Needs = "nothing"
    query: Any = None
    body: Any = None
    form: Any = None
    also: tuple[tuple[int, Any], ...] = ()  # other answers that are no errors: status and type
    errors: tuple[str, ...] = ()  # codes besides those that any request can get


def route(about: str, answer: Any, **more: Any) -> Callable[[F], F]:
    """Declare the route whose function follows; a route without this fails tests/documents."""

    def declare(function: F) -> F:
        function.__dict__["route"] = Route(about, answer, **more)
        return function

    return declare


def declared(function: Callable[..., Any]) -> Route | None:
    """What was declared of this function."""
    found: Route | None = function.__dict__.get("route")
    return found
