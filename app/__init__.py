"""Spillway: Socket.IO chat in which machine learning helps, with or without a queue.

Nothing is imported here at the top: `import app.anything` must not load Flask before the process is patched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.concurrency import Concurrency
    from app.process import Server
    from app.settings import Settings


def create_app(settings: Settings, concurrency: Concurrency) -> Server:
    """The web process, put together from its settings."""
    from app.lean import without

    with without("aiohttp", "requests"):  # python-socketio's client wants these; a sixth of a start's time
        from app.server import create_app as create

    return concurrency.call(create, settings, concurrency)  # on the loop: timers are set while parts are made
