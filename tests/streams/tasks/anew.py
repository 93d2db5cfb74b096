"""Runs for as long as it is told to, and ends for a second one in its room."""

import time
from collections.abc import Generator

from app.tasks import Delta, task


@task(overlap="replace")
def anew(seconds: float = 30) -> Generator[Delta, None, None]:
    """Run anew"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield Delta("x")
        time.sleep(0.05)
