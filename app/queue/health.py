"""Whether the broker is well, asked as a user of its system account.

Not at its monitoring port: nats-server knows no password there, so that any user of the machine could read who is
connected and what the subjects are. And not with nats-py, which the supervisor would have to load for one question.
"""

from __future__ import annotations

import json
import secrets
import socket
from typing import BinaryIO

from app.queue.accounts import HEALTH, User

MAX_ANSWER_BYTES = 1 << 20


def in_trouble(port: int, user: User, seconds: float) -> bool:
    """Whether the broker on this port of loopback says that something is wrong with it.

    One that does not answer may be busy, or still starting.
    """
    return status(port, user, seconds) not in (None, "ok")


def status(port: int, user: User, seconds: float) -> str | None:
    """How the broker says it is: `ok`, or another word; None when it does not answer this user in time."""
    try:
        with socket.create_connection(("127.0.0.1", port), seconds) as connection:
            connection.settimeout(seconds)
            connection.sendall(_question(user))
            with connection.makefile("rb") as lines:
                return _answer(lines)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _question(user: User) -> bytes:
    """Log in, and ask: NATS' protocol is lines of text."""
    login = {"user": user.name, "pass": user.password, "verbose": False, "pedantic": False, "name": "make run"}
    inbox = f"{user.inbox}.{secrets.token_hex(8)}"
    return f"CONNECT {json.dumps(login)}\r\nSUB {inbox} 1\r\nPUB {HEALTH} {inbox} 0\r\n\r\n".encode()


def _answer(lines: BinaryIO) -> str | None:
    while words := lines.readline(4096).split():
        if words[0] == b"MSG":
            answer = json.loads(lines.read(min(int(words[-1]), MAX_ANSWER_BYTES)))
            return str(answer["data"]["status"])
        if words[0] == b"-ERR":
            return None
    return None
