"""What somebody wants, and how urgent it is."""

from typing import Literal, TypedDict

from app.tasks import Text, task
from ml_clients import triage as model


class Triage(TypedDict):
    """Intent in one word, urgency, and how sure the model is of the intent (0 to 1)."""

    intent: str
    urgency: Literal["emergency", "urgent", "routine", "none"]
    confidence: float


@task(runs=("message", "request"))
def triage(text: Text) -> Triage:
    """Intent and urgency of a message"""
    return Triage(**model.classify(text))
