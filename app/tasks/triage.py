"""What somebody wants, and how urgent it is."""

from typing import Literal, NotRequired, TypedDict

from app.tasks import Text, task
from ml_clients import triage as model


class Triage(TypedDict):
    """Intent in one word, urgency, and how sure the model is of each (0 to 1); some models say nothing of the urgency."""

    intent: str
    urgency: Literal["emergency", "urgent", "routine", "none"]
    confidence: float
    urgency_probability: NotRequired[float]


@task(runs=("message", "request"))
def triage(text: Text) -> Triage:
    """Intent and urgency of a message"""
    return Triage(**model.classify(text))
