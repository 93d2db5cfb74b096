"""Triage on lines it never saw, and that it really never saw them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from app.compare.system import ROOT
from app.tasks.escalate import NOTICE_FROM
from ml_clients import triage
from ml_clients.embedded import alarm
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.evaluate import Judged, judge
from ml_clients.embedded.examples import INTENTS, URGENCIES, Example, read_examples
from ml_clients.embedded.models import ALARMS, EXAMPLES, FILES
from ml_clients.embedded.triage import Triage

HELD_OUT = Path(__file__).with_name("held_out.txt")
# No training line may come nearer to a held-out one than this. Two unlike messages about the same
# thing ("my inhaler is empty") have a cosine around 0.7; the same said in other words has 0.8 and more.
NEAREST_COSINE = 0.75
NEAREST_WORDS = 0.5


@pytest.fixture(scope="module")
def judged(encoder: Encoder) -> list[Judged]:
    learnt = Triage.learn_once(encoder, read_examples(EXAMPLES), read_examples(ALARMS), FILES)
    return judge(learnt, read_examples(HELD_OUT))


def test_there_are_enough_held_out_lines_of_every_kind() -> None:
    held_out = read_examples(HELD_OUT)
    assert len(held_out) >= 150
    assert {example.intent for example in held_out} == set(INTENTS)
    assert {example.urgency for example in held_out} == set(URGENCIES)


@pytest.mark.slow
def test_no_training_line_is_nearly_a_held_out_line_in_meaning(encoder: Encoder) -> None:
    held_out, training = read_examples(HELD_OUT), [*read_examples(EXAMPLES), *read_examples(ALARMS)]
    vectors = [np.stack([encoder.embed(line.text) for line in lines]) for lines in (held_out, training)]
    likeness = vectors[0] @ vectors[1].T
    near = [(held_out[at].text, training[by].text) for at, by in np.argwhere(likeness > NEAREST_COSINE).tolist()]
    assert near == []


def test_no_training_line_shares_most_of_its_words_with_a_held_out_line() -> None:
    training = [(line.text, _words(line)) for line in [*read_examples(EXAMPLES), *read_examples(ALARMS)]]
    near = [
        (line.text, text)
        for line in read_examples(HELD_OUT)
        for text, words in training
        if len(words & _words(line)) / len(words | _words(line)) > NEAREST_WORDS
    ]
    assert near == []


def test_the_intent_is_right_for_at_least_85_in_100_unseen_lines(judged: list[Judged]) -> None:
    assert sum(one.intent_right for one in judged) / len(judged) >= 0.85


def test_the_urgency_is_right_for_at_least_85_in_100_unseen_lines(judged: list[Judged]) -> None:
    assert sum(one.urgency_right for one in judged) / len(judged) >= 0.85


def test_hardly_an_unseen_emergency_is_taken_for_something_that_can_wait(judged: list[Judged]) -> None:
    said = [one.verdict["urgency"] for one in judged if one.example.urgency == "emergency"]
    assert sum(urgency == "emergency" for urgency in said) / len(said) >= 0.75
    assert sum(urgency in ("emergency", "urgent") for urgency in said) / len(said) >= 0.95


def test_an_emergency_says_how_likely_it_is_one_and_nothing_else_does(judged: list[Judged]) -> None:
    called = [one for one in judged if one.verdict["urgency"] == "emergency"]
    assert all(alarm.LEAST <= one.verdict["urgency_probability"] <= 1 for one in called)
    assert not [one for one in judged if one not in called and "urgency_probability" in one.verdict]


def test_true_unseen_emergencies_are_mostly_loud_and_most_of_the_loud_are_true(judged: list[Judged]) -> None:
    loud = [one for one in judged if one.verdict.get("urgency_probability", 0) >= NOTICE_FROM]
    true = [one for one in loud if one.example.urgency == "emergency"]
    assert len(true) >= 14
    assert len(true) / len(loud) >= 0.8


CONVERSATIONS = [("clinic", 19, 3, {90, 142}), ("friday", 28, 7, {35, 37, 69, 102, 124})]


@pytest.mark.parametrize(("name", "called", "loud", "true"), CONVERSATIONS)
def test_in_a_conversation_few_notices_are_loud_and_the_true_ones_are_there(
    encoder: Encoder, name: str, called: int, loud: int, true: set[int]
) -> None:
    """The figures of docs/models.md; they may get better."""
    learnt = Triage.learn_once(encoder, read_examples(EXAMPLES), read_examples(ALARMS), FILES)
    lines = (ROOT / "docs" / "examples" / f"{name}.jsonl").read_text("utf-8").splitlines()
    verdicts = {number: learnt.classify(json.loads(line)["text"]) for number, line in enumerate(lines, start=1)}
    likely = {
        number: each["urgency_probability"] for number, each in verdicts.items() if each["urgency"] == "emergency"
    }
    assert len(likely) <= called
    assert sum(probability >= NOTICE_FROM for probability in likely.values()) <= loud
    assert true <= set(likely)


def test_what_was_learnt_is_kept_and_read_again(encoder: Encoder, tmp_path: Path) -> None:
    examples = read_examples(EXAMPLES)[::20]
    first = Triage.learn_once(encoder, examples, [], tmp_path).classify("I need a doctor")
    kept = [(path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir()]
    assert Triage.learn_once(encoder, examples, [], tmp_path).classify("I need a doctor") == first
    assert [(path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir()] == kept


def test_other_examples_are_learnt_anew(encoder: Encoder, tmp_path: Path) -> None:
    examples = read_examples(EXAMPLES)[::20]
    Triage.learn_once(encoder, examples, [], tmp_path)
    Triage.learn_once(encoder, examples[1:], [], tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("hello", "before any"),
        ("[greeting]\nhello", r"line 1 must be \[intent urgency\]"),
        ("[greeting soon]\nhello", "one of emergency, urgent, routine, none"),
        ("# fine\n\n[nonsense none]\nhello", "line 3"),
    ],
)
def test_a_wrong_example_file_is_refused_with_the_line_named(tmp_path: Path, lines: str, complaint: str) -> None:
    file = tmp_path / "examples.txt"
    file.write_text(lines)
    with pytest.raises(ValueError, match=complaint):
        read_examples(file)


@pytest.mark.usefixtures("models")
def test_the_server_tells_an_emergency_from_a_greeting() -> None:
    assert triage.classify("My husband collapsed, he is not breathing!")["urgency"] == "emergency"
    greeting = triage.classify("Good morning")
    assert (greeting["intent"], greeting["urgency"]) == ("greeting", "none")
    assert 0 < greeting["confidence"] <= 1


@pytest.mark.usefixtures("models")
def test_an_emergency_late_in_a_long_message_is_not_missed() -> None:
    long = "We had a lovely holiday by the sea and the children played all day. " * 40
    assert triage.classify(long)["urgency"] != "emergency"
    assert triage.classify(long + "My father is unconscious and not breathing.")["urgency"] == "emergency"


def _words(example: Example) -> set[str]:
    return set(re.findall(r"\w+", example.text.lower()))
