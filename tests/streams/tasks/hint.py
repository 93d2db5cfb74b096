"""What somebody who answers might say: a draft, which others never see."""

import time
from collections.abc import Generator

from app.tasks import Delta, Progress, task


@task(draft=True, attempts=1)
def hint(words: str, seconds: float = 0.0, fail: bool = False) -> Generator[Delta | Progress, None, None]:
    """A hint"""
    yield Progress(0.5, "thinking")
    for word in words.split():
        yield Delta(f"{word} ")
        time.sleep(seconds)
    if fail:
        raise ValueError("this did not work")
