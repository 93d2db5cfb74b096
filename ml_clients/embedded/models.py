"""All models of the embedded server, loaded once."""

from dataclasses import dataclass
from pathlib import Path

from ml_clients.embedded.answers import Answers, read_topics
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.examples import read_examples
from ml_clients.embedded.language import Languages
from ml_clients.embedded.ocr import Reader
from ml_clients.embedded.sentiment import Sentiments
from ml_clients.embedded.speech import Listener
from ml_clients.embedded.triage import Triage

HERE = Path(__file__).parent
FILES = HERE / "models"
EXAMPLES = HERE / "data" / "triage.txt"
ALARMS = HERE / "data" / "alarm.txt"
ANSWERS = HERE / "data" / "answers.txt"
SAME = 0.64  # from this cosine on two messages are taken to mean the same; chosen on pairs other than those measured on


@dataclass(frozen=True)
class Models:
    """What the endpoints ask; each part may be used from many threads."""

    encoder: Encoder
    triage: Triage
    languages: Languages
    sentiments: Sentiments
    answers: Answers


@dataclass(frozen=True)
class Extras:
    """What is only there where it was asked for and is installed."""

    reader: Reader | None = None
    listener: Listener | None = None


NO_EXTRAS = Extras()


class ExtraMissingError(Exception):
    """An extra was asked for that is not installed; the message says how to install it."""


def load_extras(ocr: bool, speech: bool, files: Path = FILES) -> Extras:
    """Loads the extras that are asked for; raises ExtraMissingError."""
    try:
        return Extras(Reader() if ocr else None, Listener(files / "whisper") if speech else None)
    except ImportError as error:
        raise ExtraMissingError(f"{error.name} is not installed: OCR=1 or SPEECH=1 make run installs it") from error


def load_models(files: Path = FILES, examples: Path = EXAMPLES, answers: Path = ANSWERS) -> Models:
    """Loads every model; the first time it also learns triage, which takes some seconds.

    Raises FileNotFoundError where deploy/assets.py has not run, and ValueError where a file of examples or answers is
    not as it should be.
    """
    encoder = Encoder.load(files)
    triage = Triage.learn_once(encoder, read_examples(examples), read_examples(ALARMS), files)
    return Models(encoder, triage, Languages(), Sentiments(), Answers(encoder, read_topics(answers)))
