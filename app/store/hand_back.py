"""How what a thread found out comes back to the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def hand_back(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any], function: Callable[..., Any], *args: Any
) -> None:
    """Call the function here, in a thread, and give its value or its error to whoever awaits `done` on the loop."""
    try:
        value, error = function(*args), None
    except Exception as raised:  # raised again where it is awaited
        value, error = None, raised
    loop.call_soon_threadsafe(resolve, done, value, error)


def resolve(done: asyncio.Future[Any], value: Any = None, error: Exception | None = None) -> None:
    """End the wait for `done`, on the loop, unless nobody waits any more."""
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(value)
