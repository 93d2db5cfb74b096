"""Softmax regression: a linear model that gives each label a probability."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

ROUNDS = 400
STEP = 2.0
MOMENTUM = 0.9


def fit(features: Matrix, labels: npt.NDArray[np.int64], count: int, decay: float) -> Matrix:
    """The weights (features + 1 rows, one column a label) that fit best, small ones preferred.

    Every label weighs the same however many examples it has. Deterministic: it starts from zero.
    """
    inputs = _with_constant(features)
    wanted = np.eye(count, dtype=np.float32)[labels]
    weight_of = 1.0 / (count * np.maximum(wanted.sum(axis=0), 1.0))
    example_weights = weight_of[labels][:, None].astype(np.float32)
    weights = np.zeros((inputs.shape[1], count), dtype=np.float32)
    speed = np.zeros_like(weights)
    for _ in range(ROUNDS):
        errors = (softmax(inputs @ weights) - wanted) * example_weights
        speed = MOMENTUM * speed - STEP * (inputs.T @ errors + decay * weights)
        weights += speed
    return weights


def predict(weights: Matrix, features: Matrix) -> Matrix:
    """The probability of each label (columns) for each row of features."""
    return softmax(_with_constant(features) @ weights)


def softmax(scores: Matrix) -> Matrix:
    """Scores as probabilities, row by row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Matrix = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _with_constant(features: Matrix) -> Matrix:
    return np.hstack([features, np.ones((len(features), 1), dtype=np.float32)])
