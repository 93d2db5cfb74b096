"""A verse that is told to the room once it is whole."""

from collections.abc import Generator
from typing import TypedDict

from app.tasks import Delta, Said, task


class Verse(TypedDict):
    """All of it."""

    text: str


def say(result: Verse) -> Said:
    """As it is."""
    return Said(result["text"])


@task(says=say)
def verse(words: str, times: int = 1) -> Generator[Delta, None, Verse]:
    """A verse"""
    for _ in range(times):
        yield Delta(words)
    return Verse(text="")
