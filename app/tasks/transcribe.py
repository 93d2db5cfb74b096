"""What is said in a recording."""

from app.tasks import Links, Upload, task
from ml_clients import files, speech
from ml_clients.speech import Transcript


@task(lane="heavy", timeout=300, needs="SPEECH", chip="{text}")
def transcribe(upload: Upload, links: Links) -> Transcript:
    """Words of a recording"""
    return speech.transcribe(files.get(links["get"]))
