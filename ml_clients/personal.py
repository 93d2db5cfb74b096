"""Personal data: what in a message is about a person, and the message without it."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from ml_clients.transport import ask

Position = Annotated[int, Meta(ge=0)]
"""A place in a text, in code points."""


class Found(TypedDict):
    """One piece of personal data; `end` is behind its last character."""

    kind: Literal["phone", "mail", "birth", "card", "insurance"]
    start: Position
    end: Position


class Redacted(TypedDict):
    """What was found, and the text with `[kind]` in its place."""

    found: list[Found]
    text: str


def redact(text: str) -> Redacted:
    """The personal data in a message. Raises a ModelError."""
    return ask("/v1/redact", {"text": text}, Redacted)
