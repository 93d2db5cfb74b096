"""What is said in a recording."""

from app.tasks import Links, Said, Upload, task
from ml_clients import files, speech
from ml_clients.speech import Transcript

MAX_SHOWN = 8_000  # characters: a message holds 8,192


def say(result: Transcript) -> Said:
    """The words, as a message."""
    words = result["text"][:MAX_SHOWN]
    return Said(
        f"Words of the recording\n{words}" if words else "There are no words in the recording that could be heard."
    )


@task(lane="heavy", timeout=300, needs="SPEECH", says=say)
def transcribe(upload: Upload, links: Links) -> Transcript:
    """Words of a recording"""
    return speech.transcribe(files.get(links["get"]))
