"""Whether somebody sounds pleased or upset."""

from typing import Literal, TypedDict

from app.tasks import Text, task
from ml_clients import sentiment as model


class Sentiment(TypedDict):
    """Label, and the score behind it from -1 (upset) to 1 (pleased)."""

    label: Literal["positive", "neutral", "negative"]
    score: float


@task(runs=("message", "request"))
def sentiment(text: Text) -> Sentiment:
    """Mood of a message"""
    return Sentiment(**model.score(text))
