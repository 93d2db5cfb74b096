"""Extractive summary by LexRank: the sentences of a conversation most like all the others."""

import math
from itertools import islice

import numpy as np
import numpy.typing as npt

from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.sentences import sentences

# The newest this many sentences are read: about 3 ms each when they are new.
MAX_SENTENCES = 600
LONGEST_SENTENCE = 300
MAX_LINES = 12
# Below this cosine two sentences have nothing in common, above the other they say the same.
ALIKE, SAME = 0.15, 0.8
DAMPING, ROUNDS = 0.85, 50
# Shorter ones ("ok", "see you then") are in the middle of everything and say nothing.
FEWEST_WORDS = 4


def summarize(encoder: Encoder, messages: list[tuple[str, str]]) -> list[str]:
    """Lines `sender: sentence` out of messages (sender, text), in their order; about the root of
    the number of sentences.

    Only sentences that are there are chosen, so nothing can be invented; none for no messages.
    """
    said = _sentences(messages)
    if not said:
        return []
    vectors = np.stack([encoder.embed(text) for _, text in said]).astype(np.float64)
    likeness = vectors @ vectors.T
    order = np.argsort(-_centrality(likeness), kind="stable")
    wanted = min(MAX_LINES, max(1, round(math.sqrt(len(said)))))
    chosen = islice(_distinct(order, likeness), wanted)
    return [f"{said[index][0]}: {said[index][1]}" for index in sorted(chosen)]


def _sentences(messages: list[tuple[str, str]]) -> list[tuple[str, str]]:
    said = [(sender, sentence) for sender, text in messages for sentence in sentences(text, LONGEST_SENTENCE)]
    telling = [pair for pair in said if len(pair[1].split()) >= FEWEST_WORDS]
    # A room of nothing but short lines still gets a summary; scripts without spaces do too.
    return (telling or said)[-MAX_SENTENCES:]


def _centrality(likeness: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How much each sentence is like those that are like many: PageRank over likeness."""
    ties = np.where(likeness > ALIKE, likeness, 0.0)
    ties /= ties.sum(axis=1, keepdims=True)
    rank = np.full(len(ties), 1 / len(ties))
    for _ in range(ROUNDS):
        rank = (1 - DAMPING) / len(ties) + DAMPING * (rank @ ties)
    return rank


def _distinct(order: npt.NDArray[np.intp], likeness: npt.NDArray[np.float64]) -> list[int]:
    """The indices in this order, without those that repeat an earlier one."""
    kept: list[int] = []
    for index in order.tolist():
        if all(likeness[index, other] < SAME for other in kept):
            kept.append(index)
    return kept
