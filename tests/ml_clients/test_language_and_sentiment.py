import re
from pathlib import Path

import pytest

from ml_clients import language, sentiment

pytestmark = pytest.mark.usefixtures("models")
HERE = Path(__file__).parent


def labelled(name: str) -> list[tuple[str, str]]:
    """The lines of a file of the form `label | text`."""
    lines = (HERE / name).read_text("utf-8").splitlines()
    pairs = [line.split(" | ", 1) for line in lines if line and not line.startswith("#")]
    return [(label, text) for label, text in pairs]


def test_at_least_90_in_100_sentences_are_given_their_language() -> None:
    lines = labelled("languages.txt")
    wrong = [text for code, text in lines if language.detect(text)["language"] != code]
    assert len(wrong) <= len(lines) / 10, wrong


def test_a_clear_sentence_is_sure() -> None:
    assert language.detect("Could you tell me when the surgery opens tomorrow?")["confidence"] > 0.8


@pytest.mark.parametrize("text", ["12345", "👍", "?!", " \n\t "])
def test_without_a_letter_there_is_no_trust_in_the_code(text: str) -> None:
    assert language.detect(text) == {"language": "en", "confidence": 0.0}


@pytest.mark.parametrize(
    "text", ["ok", "Kumusta ka, salamat sa tulong", "Lorem ipsum dolor", "x\n" * 4000, "SCHNELL BITTE"]
)
def test_the_code_is_always_one_of_two_letters(text: str) -> None:
    assert re.fullmatch("[a-z]{2}", language.detect(text)["language"])


def test_at_least_80_in_100_sentences_are_given_their_sentiment() -> None:
    lines = labelled("sentiments.txt")
    wrong = [text for label, text in lines if sentiment.score(text)["label"] != label]
    assert len(wrong) <= len(lines) / 5, wrong


def test_the_label_follows_from_the_score() -> None:
    for _, text in labelled("sentiments.txt"):
        found = sentiment.score(text)
        expected = "positive" if found["score"] >= 0.05 else "negative" if found["score"] <= -0.05 else "neutral"
        assert found["label"] == expected


def test_negation_turns_the_sentiment() -> None:
    assert sentiment.score("the staff is friendly")["score"] > 0 > sentiment.score("the staff is not friendly")["score"]
