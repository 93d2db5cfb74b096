"""Triage: what a message is about and how soon it needs somebody, learnt from our own examples."""

import hashlib
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np

from ml_clients.embedded import alarm, quantize, regression
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.examples import INTENTS, URGENCIES, Example
from ml_clients.embedded.features import PLACES, WEIGHT, features
from ml_clients.embedded.regression import Matrix
from ml_clients.embedded.sentences import pieces

# Both chosen by cross-validation on the training lines alone (evaluate.py repeats it).
DECAY = 3e-4
# Said already when it is likely, not only when it is likeliest: a false alarm costs less.
EMERGENCY_FROM = 0.35
# About 90 word pieces: a longer message is judged piece by piece.
LONGEST_PIECE = 360


class Verdict(TypedDict):
    """The intent, the urgency, the probability of the intent; of an emergency how likely it is one."""

    intent: str
    urgency: str
    confidence: float
    urgency_probability: NotRequired[float]


class Triage:
    """Linear models over the same features: one for the intent, one for the urgency, one for how likely an alarm is."""

    def __init__(self, encoder: Encoder, intents: Matrix, urgencies: Matrix, alarms: Matrix) -> None:
        self._encoder = encoder
        self._intents = intents
        self._urgencies = urgencies
        self._alarms = alarms

    @classmethod
    def learn(cls, encoder: Encoder, examples: list[Example], besides: list[Example]) -> "Triage":
        """Fits all of them to the examples, the last to those `besides` as well: a few seconds for a thousand."""
        inputs = np.stack([features(encoder, example.text) for example in examples])
        intents = np.array([INTENTS.index(example.intent) for example in examples])
        urgencies = np.array([URGENCIES.index(example.urgency) for example in examples])
        return cls(
            encoder,
            regression.fit(inputs, intents, len(INTENTS), DECAY),
            regression.fit(inputs, urgencies, len(URGENCIES), DECAY),
            alarm.learn(encoder, examples + besides),
        )

    @classmethod
    def learn_once(cls, encoder: Encoder, examples: list[Example], besides: list[Example], folder: Path) -> "Triage":
        """As `learn`, but what was learnt from the same examples before is read from the folder."""
        kept = folder / f"triage-{_key(examples, besides)}.npz"
        if kept.is_file():
            with np.load(kept) as weights:
                return cls(encoder, weights["intents"], weights["urgencies"], weights["alarms"])
        triage = cls.learn(encoder, examples, besides)
        part = kept.with_name(f"{kept.stem}.part.npz")
        np.savez(part, intents=triage._intents, urgencies=triage._urgencies, alarms=triage._alarms)  # noqa: SLF001 # its own
        part.replace(kept)
        return triage

    def classify(self, text: str) -> Verdict:
        """The verdict on a message: its overall intent, the urgency of its most urgent piece."""
        parts = pieces(text, LONGEST_PIECE)
        inputs = np.stack([features(self._encoder, part) for part in parts])
        intents = regression.predict(self._intents, inputs).mean(axis=0)
        intent = int(intents.argmax())
        urgency = URGENCIES[_most_urgent(regression.predict(self._urgencies, inputs))]
        verdict = Verdict(intent=INTENTS[intent], urgency=urgency, confidence=round(float(intents[intent]), 4))
        if urgency == "emergency":
            verdict["urgency_probability"] = round(alarm.probability(self._alarms, inputs), 4)
        return verdict


def _most_urgent(probabilities: Matrix) -> int:
    """The index of the urgency of the most urgent row."""
    likeliest = probabilities.argmax(axis=1)
    likeliest[probabilities[:, 0] >= EMERGENCY_FROM] = 0
    return int(likeliest.min())


def _key(*examples: list[Example]) -> str:
    """Changes with anything the weights depend on."""
    fitting = (DECAY, alarm.DECAY, PLACES, WEIGHT, regression.ROUNDS, regression.STEP, regression.MOMENTUM)
    basis = repr((examples, INTENTS, URGENCIES, fitting, quantize.VERSION))
    return hashlib.sha256(basis.encode()).hexdigest()[:12]
