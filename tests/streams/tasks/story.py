"""A story that is told word by word, for tests: what people see of it is known beforehand."""

import time
from collections.abc import Generator
from typing import NotRequired, TypedDict

from app.tasks import Delta, Progress, task


class Story(TypedDict):
    """All of it."""

    text: str
    truncated: NotRequired[bool]
    words: int


@task(timeout=60, attempts=8)
def story(words: int, pause: float = 0.02, word: str = "word") -> Generator[Delta | Progress, None, Story]:
    """Tell a story"""
    for number in range(words):
        yield Delta(f"{word} {number} ")
        if number % 5 == 0:
            yield Progress(number / words, f"{number} of {words}")
        time.sleep(pause)
    return Story(text="", words=words)
