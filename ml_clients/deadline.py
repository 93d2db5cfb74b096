"""The deadline of the model calls being made now: one for all calls inside a `within` block.

Kept in a context variable, so every thread and every green thread has its own.
"""

import time
from contextlib import AbstractContextManager
from contextvars import ContextVar

from ml_clients.variable import Holding

# Where nobody set a deadline a call still ends: longer than any embedded model takes.
SECONDS_WITHOUT_DEADLINE = 30.0

_ends_at: ContextVar[float | None] = ContextVar("ml_clients_ends_at", default=None)


def within(seconds: float) -> AbstractContextManager[None]:
    """Every model call made inside ends within these seconds in all, counted from here.

    Blocks nest: an inner one may shorten the time that is left, never lengthen it.
    """
    ends_at, outer = time.monotonic() + seconds, _ends_at.get()
    return Holding(_ends_at, ends_at if outer is None else min(outer, ends_at))


def call_ends_at() -> float:
    """When a call that starts now must have ended, as time.monotonic() counts."""
    ends_at = _ends_at.get()
    return time.monotonic() + SECONDS_WITHOUT_DEADLINE if ends_at is None else ends_at


def seconds_until(ends_at: float) -> float:
    """Seconds left; raises TimeoutError once there are none."""
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of the model call has passed")
    return left
