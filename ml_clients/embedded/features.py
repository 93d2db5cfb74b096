"""What triage looks at in a text: its embedding, and the words and pairs of words that are in it.

The embedding knows what a text is about but hardly sees a "no" or a "today"; the words do. In
cross-validation on the training lines they lift urgency from 84 to 86 in a hundred.
"""

import zlib
from itertools import pairwise

import numpy as np

from ml_clients.embedded.encoder import Encoder, Vector
from ml_clients.embedded.tokenizer import words

# Words share places when their hashes fall together: rare enough with some thousand of them.
PLACES = 2048
# Beside an embedding of length 1.
WEIGHT = 0.5


def features(encoder: Encoder, text: str) -> Vector:
    """The numbers a linear model of triage works on."""
    return np.concatenate([encoder.embed(text), _words(text)])


def _words(text: str) -> Vector:
    found = words(text)
    terms = set(found) | {f"{first} {second}" for first, second in pairwise(found)}
    places = np.zeros(PLACES, dtype=np.float32)
    # crc32 and not hash(): the same in every process, or kept weights would mean nothing.
    places[[zlib.crc32(term.encode("utf-8")) % PLACES for term in terms]] = 1.0
    length = np.linalg.norm(places)
    return places * np.float32(WEIGHT / length) if length else places
