"""Likeness: earlier messages that mean the same."""

from collections.abc import Sequence
from typing import TypedDict

from ml_clients.summary import Said
from ml_clients.transport import Share, ask


class Like(Said):
    """An earlier message, and how like it is."""

    score: Share


class Similar(TypedDict):
    """The likest first; often none."""

    similar: list[Like]


def similar(text: str, messages: Sequence[Said]) -> Similar:
    """Which of these messages mean the same as a text. Raises a ModelError."""
    return ask("/v1/similar", {"text": text, "messages": list(messages)}, Similar)
