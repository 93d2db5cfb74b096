"""Triage: what a message is about, and how soon somebody must look at it."""

from typing import Literal, TypedDict

from ml_clients.transport import Share, ask


class Triage(TypedDict):
    """The intent (a word of the server's own), the urgency, how sure the model is of the intent."""

    intent: str
    urgency: Literal["emergency", "urgent", "routine", "none"]
    confidence: Share


def classify(text: str) -> Triage:
    """The intent and urgency of a message. Raises a ModelError."""
    return ask("/v1/triage", {"text": text}, Triage)
