"""Runs for as long as it is told to, and refuses a second one in its room."""

import time
from collections.abc import Generator

from app.tasks import Delta, task


@task(overlap="refuse")
def alone(seconds: float = 30) -> Generator[Delta, None, None]:
    """Run alone"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield Delta("x")
        time.sleep(0.05)
