"""A team's answers are read from its file, and what is wrong in that is said with its line."""

from pathlib import Path

import pytest

from ml_clients.embedded.answers import Answers, read_topics
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.models import ANSWERS


def test_the_file_of_this_repository_is_right() -> None:
    topics = read_topics(ANSWERS)
    assert len({topic.name for topic in topics}) == len(topics) >= 15
    assert all(len(topic.questions) >= 3 for topic in topics)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("What?", "line 1"),
        ("[a]\n> An answer to nothing", "line 2"),
        ("[a]\nWhat?\n[b]\nWhy?\n> So", "line 3"),
        ("[a]\nWhat?", "topic a has no answer"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_line(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "answers.txt").write_text(text)
    with pytest.raises(ValueError, match=where):
        read_topics(tmp_path / "answers.txt")


def test_one_topic_is_suggested_once_and_the_likeliest_comes_first(encoder: Encoder) -> None:
    found = Answers(encoder, read_topics(ANSWERS)).suggest("When are you open, and where can I park my car?")
    assert len({each.topic for each in found}) == len(found) <= 3
    assert sorted(found, key=lambda each: -each.score) == found
    assert "parking" in [each.topic for each in found]
