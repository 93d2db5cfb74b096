"""Sentiment: whether a message sounds pleased or displeased."""

from typing import Literal, TypedDict

from ml_clients.transport import Balance, ask


class Sentiment(TypedDict):
    """A label, and the score from -1 (worst) to 1 (best) it rests on."""

    label: Literal["positive", "neutral", "negative"]
    score: Balance


def score(text: str) -> Sentiment:
    """The sentiment of a message. Raises a ModelError."""
    return ask("/v1/sentiment", {"text": text}, Sentiment)
