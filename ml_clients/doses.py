"""Doses: amounts of medicines in a message."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from ml_clients.personal import Position
from ml_clients.transport import ask


class Dose(TypedDict):
    """One amount in a normalised unit, and where the text says it, in code points."""

    start: Position
    end: Position
    text: str
    amount: Annotated[float, Meta(ge=0)]
    unit: Literal["mg", "mL", "IU", "tablet", "drop", "puff"]


class Doses(TypedDict):
    """The amounts, in the order in which they are said."""

    doses: list[Dose]


def find(text: str) -> Doses:
    """The amounts in a message. Raises a ModelError."""
    return ask("/v1/doses", {"text": text}, Doses)
