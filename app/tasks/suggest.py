"""What a team usually answers to such a question; the answers are in a file that it edits."""

from app.tasks import Text, task
from ml_clients import answers as model
from ml_clients.answers import Suggestions

LONGEST_QUESTION = 300  # characters: what is longer tells a story


def may_be_a_question(text: str) -> bool:
    """Whether it is short enough to be one, and more than a word."""
    return len(text) <= LONGEST_QUESTION and " " in text.strip()


@task(runs=("message", "request"), on=False, when=may_be_a_question)
def suggest(text: Text) -> Suggestions:
    """Answers to common questions"""
    return model.suggest(text)
