"""Ports for parts that are about to start."""

from __future__ import annotations

import errno
import random
import socket
import sys
from collections import deque

# Below those that the kernel gives to outgoing connections (from 32768 on): such a connection, made between our look and
# the start of the part, would keep the port for as long as it lives.
FIRST, LAST = 10_000, 32_000
TRIES = 100
KEPT = 128  # claims of a process: by the time that it makes so many more, what the first were for listens

_claims: deque[socket.socket] = deque(maxlen=KEPT)


def free_port(*above: int) -> int:
    """A port of 127.0.0.1 on which nothing listens now, as on those so many above it; raises OSError when none is found.

    It is claimed, with those: nobody else who looks here is given it before whatever it is for listens.
    """
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)  # noqa: S311 - two who look at once should not find the same one
        wanted = [port, *(port + each for each in above)]
        if all(map(_is_free, wanted)) and _claim(wanted):
            return port
    raise OSError(f"no free port between {FIRST} and {LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _claim(ports: list[int]) -> bool:
    """Take names that the kernel gives to one process of the machine at a time, and back when it ends.

    True, too, where there are no such names: on other systems than Linux, and where a process may not have them.
    """
    made = []
    for port in ports if sys.platform == "linux" else ():
        try:
            claim = socket.socket(socket.AF_UNIX)
            made.append(claim)
            claim.bind(f"\0spillway-port-{port}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                for each in made:
                    each.close()
                return False
    _claims.extend(made)
    return True
