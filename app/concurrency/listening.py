"""The listening socket of both modes, and what a process with many sockets needs."""

from __future__ import annotations

import resource
import socket
from types import ModuleType

BACKLOG = 1024  # connections the kernel holds until we accept them


def listen(sockets: ModuleType, host: str, port: int) -> socket.socket:
    """A listening socket that never blocks; `sockets` is the module to make it with. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening: socket.socket = sockets.create_server((host, port), family=family, backlog=BACKLOG)
    # Accepted sockets inherit both. Without the first, two small frames in a row wait 40 ms for each other; the second
    # finds peers that lost their power.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setblocking(False)
    return listening


def allow_many_files() -> None:
    """Raise this process's bound of open files as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
