"""How likely it is that what triage calls an emergency is one.

A model of its own: it learns the lines of triage, and besides those that only sound like an emergency. What it says changes
no urgency, so that no line about staff or somebody's past can make triage miss an emergency.
"""

import numpy as np

from ml_clients.embedded import regression
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.examples import Example
from ml_clients.embedded.features import features
from ml_clients.embedded.regression import Matrix

# Chosen by cross-validation on the training lines alone, as the three below it:
# `python -m ml_clients.embedded.evaluate --calibrate` does it again.
DECAY = 1e-4
# Of a probability in log-odds. Without them it would be that of a world in which every second message is an emergency.
SLOPE = 0.96
OFFSET = -0.55
# Triage calls it an emergency, so it is never made less likely than this: a quiet notice, rather than none.
LEAST = 0.35


def learn(encoder: Encoder, examples: list[Example]) -> Matrix:
    """The weights of the model."""
    inputs = np.stack([features(encoder, example.text) for example in examples])
    return regression.fit(inputs, np.array([example.urgency != "emergency" for example in examples], int), 2, DECAY)


def log_odds(weights: Matrix, inputs: Matrix) -> Matrix:
    """How it judges each row, not calibrated: above 0 rather an emergency than none."""
    likely = np.clip(regression.predict(weights, inputs)[:, 0], 1e-6, 1 - 1e-6)
    odds: Matrix = np.log(likely / (1 - likely))
    return odds


def probability(weights: Matrix, inputs: Matrix) -> float:
    """The probability that the most alarming of these rows, which triage calls an emergency, is one."""
    odds = float(log_odds(weights, inputs).max())
    return max(LEAST, float(1 / (1 + np.exp(-(SLOPE * odds + OFFSET)))))
