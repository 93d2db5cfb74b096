"""Triage: what a message is about, and how soon somebody must look at it."""

from typing import Literal, NotRequired, TypedDict

from ml_clients.transport import Share, ask


class Triage(TypedDict):
    """The intent (a word of the server's own), the urgency, how sure the model is of the intent, and of the urgency."""

    intent: str
    urgency: Literal["emergency", "urgent", "routine", "none"]
    confidence: Share
    urgency_probability: NotRequired[Share]


def classify(text: str) -> Triage:
    """The intent and urgency of a message. Raises a ModelError."""
    return ask("/v1/triage", {"text": text}, Triage)
