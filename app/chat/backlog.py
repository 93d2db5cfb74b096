"""Cutting off who does not read: what waits for one client is bounded, and resumes by `after` when they come back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import socketio
import structlog

log = structlog.get_logger()

MOST = 2000  # packets waiting for one client
LOOK_EVERY = 0.5  # seconds


def watch(server: socketio.Server, cut: Callable[[dict[str, Any]], None]) -> None:
    """Again and again, cut every connection for which too much waits."""
    while True:
        time.sleep(LOOK_EVERY)
        for sid, connection in list(server.eio.sockets.items()):
            if connection.queue.qsize() > MOST:
                log.info("a client does not read and is cut off", waiting=connection.queue.qsize())
                environ = server.environ.get(sid, {})
                connection.close(wait=False, abort=True)
                cut(environ)
