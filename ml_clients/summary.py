"""Summary: the few lines of a conversation that tell most about it."""

from collections.abc import Sequence
from typing import TypedDict

from ml_clients.transport import ask


class Said(TypedDict):
    """Who said what."""

    sender: str
    text: str


class Summary(TypedDict):
    """Lines taken from the conversation, in its order."""

    lines: list[str]


def summarize(messages: Sequence[Said]) -> Summary:
    """The summary of a conversation, given in its order. Raises a ModelError."""
    return ask("/v1/summary", {"messages": list(messages)}, Summary)
