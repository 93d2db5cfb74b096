"""Speech: what is said in a recording."""

from typing import Annotated, TypedDict

from msgspec import Meta

from ml_clients.transport import ask_about


class Transcript(TypedDict):
    """The words, and for how many seconds the recording goes on."""

    text: str
    seconds: Annotated[float, Meta(ge=0)]


def transcribe(recording: bytes) -> Transcript:
    """What is said in a recording (WAV, MP3, OGG, FLAC, M4A, WebM). Raises a ModelError."""
    return ask_about("/v1/transcribe", recording, Transcript)
