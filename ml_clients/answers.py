"""Answers: what a team answers to questions that mean the same."""

from typing import TypedDict

from ml_clients.transport import Share, ask


class Suggestion(TypedDict):
    """An answer, what it is about, the known question that is most like the one asked, and how like it is."""

    topic: str
    question: str
    answer: str
    score: Share


class Suggestions(TypedDict):
    """The answers that fit, the best first; often none."""

    suggestions: list[Suggestion]


def suggest(text: str) -> Suggestions:
    """Answers to a question. Raises a ModelError."""
    return ask("/v1/suggest", {"text": text}, Suggestions)
