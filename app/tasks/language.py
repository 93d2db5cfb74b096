"""Which language somebody writes."""

from typing import TypedDict

from app.tasks import Text, task
from ml_clients import language as model


class Language(TypedDict):
    """ISO 639-1 code and how sure the model is (0 to 1)."""

    language: str
    confidence: float


@task(runs=("message", "request"))
def language(text: Text) -> Language:
    """Language of a message"""
    return Language(**model.detect(text))
