"""All models of the embedded server, loaded once."""

from dataclasses import dataclass
from pathlib import Path

from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.examples import read_examples
from ml_clients.embedded.language import Languages
from ml_clients.embedded.sentiment import Sentiments
from ml_clients.embedded.triage import Triage

HERE = Path(__file__).parent
FILES = HERE / "models"
EXAMPLES = HERE / "data" / "triage.txt"
ALARMS = HERE / "data" / "alarm.txt"


@dataclass(frozen=True)
class Models:
    """What the endpoints ask; each part may be used from many threads."""

    encoder: Encoder
    triage: Triage
    languages: Languages
    sentiments: Sentiments


def load_models(files: Path = FILES, examples: Path = EXAMPLES) -> Models:
    """Loads every model; the first time it also learns triage, which takes some seconds.

    Raises FileNotFoundError where deploy/assets.py has not run.
    """
    encoder = Encoder.load(files)
    triage = Triage.learn_once(encoder, read_examples(examples), read_examples(ALARMS), files)
    return Models(encoder, triage, Languages(), Sentiments())
