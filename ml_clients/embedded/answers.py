"""Answers to common questions, by MiniLM: a question that means the same as one of a file is answered as there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_clients.embedded.encoder import Encoder, Vector

# Chosen by leaving each line of the file out in turn (docs/models.md): below it more were wrong than right.
SURE = 0.5
MOST = 3

_HEADING = re.compile(r"\[(\w+)\]")


@dataclass(frozen=True)
class Topic:
    """One answer, and the questions that it answers."""

    name: str
    questions: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Suggestion:
    """An answer, the question of the file that is most like the one asked, and how like it is (cosine)."""

    topic: str
    question: str
    answer: str
    score: float


def read_topics(path: Path) -> list[Topic]:
    """The topics of a file; raises ValueError that names the line which is not right."""
    topics: list[Topic] = []
    name, questions = "", list[str]()
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        text = line.strip()
        heading = _HEADING.fullmatch(text)
        if not text or text.startswith("#"):
            continue
        if heading and not questions:
            name = heading[1]
        elif text.startswith(">") and name and questions:
            topics.append(Topic(name, tuple(questions), text[1:].strip()))
            name, questions = "", []
        elif name and not text.startswith((">", "[")):
            questions.append(text)
        else:
            raise ValueError(f"{path.name} line {number}: expected a [topic], then questions, then > and the answer")
    if name:
        raise ValueError(f"{path.name}: the topic {name} has no answer")
    return topics


class Answers:
    """Finds answers; safe to use from many threads."""

    def __init__(self, encoder: Encoder, topics: Sequence[Topic]) -> None:
        self._encoder = encoder
        self._lines = [(topic, question) for topic in topics for question in topic.questions]
        self._vectors = np.stack([encoder.embed(question) for _, question in self._lines])

    def suggest(self, text: str, leave_out: str | None = None) -> list[Suggestion]:
        """The answers that fit, the best first, at most one a topic; `leave_out` is a line of the file to do without."""
        vector: Vector = self._encoder.embed(text)
        found: dict[str, Suggestion] = {}
        likeness = self._vectors @ vector
        for at in np.argsort(-likeness, kind="stable").tolist():
            topic, question = self._lines[at]
            if likeness[at] < SURE or len(found) == MOST:
                break
            if question != leave_out and topic.name not in found:
                found[topic.name] = Suggestion(topic.name, question, topic.answer, round(float(likeness[at]), 4))
        return list(found.values())


def likely_same(encoder: Encoder, text: str, earlier: Sequence[str], sure: float) -> list[tuple[int, float]]:
    """Which of these texts mean the same as this one: their places and how like they are, the likest first."""
    vector = encoder.embed(text)
    scores = [(at, round(float(encoder.embed(other) @ vector), 4)) for at, other in enumerate(earlier)]
    return sorted([each for each in scores if each[1] >= sure], key=lambda each: -each[1])
