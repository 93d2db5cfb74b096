"""Ports for parts that are about to start."""

from __future__ import annotations

import random
import socket

# Below those that the kernel gives to outgoing connections (from 32768 on): such a connection, made between our look and
# the start of the part, would keep the port for as long as it lives.
FIRST, LAST = 10_000, 32_000
TRIES = 100


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now; raises OSError when none is found."""
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)  # noqa: S311 - two who look at once should not find the same one
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {FIRST} and {LAST}")
