"""Times: the moments that a message means."""

from typing import TypedDict

from ml_clients.personal import Position
from ml_clients.transport import ask


class Meant(TypedDict):
    """A moment as RFC 3339 on its writer's clock, and where the text says it, in code points."""

    start: Position
    end: Position
    text: str
    at: str


class Times(TypedDict):
    """The moments, in the order in which they are said."""

    times: list[Meant]


def find(text: str, at: str, zone: str) -> Times:
    """The moments in a message that was written at `at` (RFC 3339) in this time zone (IANA name). Raises a ModelError."""
    return ask("/v1/appointment", {"text": text, "at": at, "zone": zone}, Times)
