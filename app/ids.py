"""Identifiers and times as the contract writes them."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import socket
import time
from datetime import UTC, datetime

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"  # base 32 as in ULID, in lower case
_FROM_RFC4648 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD.encode())

_prefix: tuple[int, str] = (0, "")  # of this millisecond: most IDs are made in one that is known already
_stamp: tuple[int, str] = (-1, "")  # of this second, likewise
_random: list[str] = []  # 80 bits each that nobody could guess, not used yet


def new_id() -> str:
    """26 letters and digits, unguessable, and in the order of time to the millisecond (a ULID in lower case)."""
    global _prefix, _random
    now = time.time_ns() // 1_000_000
    if _prefix[0] != now:
        _prefix = now, _letters(now)
    if not _random:  # many at once: one system call, and one pass through base 32
        letters = base64.b32encode(os.urandom(2560)).translate(_FROM_RFC4648).decode()
        _random = [letters[at : at + 16] for at in range(0, len(letters), 16)]
    return _prefix[1] + _random.pop()


def first_id(seconds: float) -> str:
    """What comes before every ID that was made from this moment on, and after all made before."""
    return _letters(int(seconds * 1000))


def _letters(milliseconds: int) -> str:
    return "".join(_CROCKFORD[milliseconds >> shift & 31] for shift in range(45, -1, -5))


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC, to the millisecond."""
    global _stamp
    second, milliseconds = divmod(round(seconds * 1000), 1000)
    if _stamp[0] != second:
        _stamp = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{_stamp[1]}.{milliseconds:03d}Z"


def moment(text: str) -> datetime | None:
    """The moment that a time as RFC 3339 has it names, or None where it is none, or has no offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def new_position(last: int) -> int:
    """The next place in the order of acceptance, above `last`.

    It is made of the time (microseconds since 1970, times 1,024), so that two processes need not share a counter; the
    ledger's primary key finds the rare two that chose the same.
    """
    return max(last + 1, time.time_ns() // 1000 << 10 | os.getpid() & 1023)


def traceparent(id: str) -> str:
    """The W3C traceparent header of a job: always the same for one job, and so not stored."""
    digest = hashlib.blake2b(id.encode(), digest_size=24).hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-01"


def trace_id(id: str) -> str:
    """The trace of a job, as its traceparent has it: 32 hexadecimal digits."""
    return traceparent(id)[3:35]


def process_name() -> str:
    """A name for this process that no other has, and that can be a part of a NATS subject."""
    host = re.sub(r"[^A-Za-z0-9]", "-", socket.gethostname())[:24]
    return f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
