"""Language: which language a message is written in."""

from typing import Annotated, TypedDict

from msgspec import Meta

from ml_clients.transport import Share, ask


class Language(TypedDict):
    """An ISO 639-1 code, and how sure the model is of it."""

    language: Annotated[str, Meta(pattern="^[a-z]{2}$")]
    confidence: Share


def detect(text: str) -> Language:
    """The language of a message. Raises a ModelError."""
    return ask("/v1/language", {"text": text}, Language)
