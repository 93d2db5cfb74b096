"""Identifiers and times as the contract writes them."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"  # base 32 as in ULID, in lower case
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]  # ten bits each

_prefix: tuple[int, str] = (0, "")  # of this millisecond: most IDs are made in one that is known already
_stamp: tuple[int, str] = (0, "")  # likewise
_random = bytearray()  # bytes nobody could guess, not used yet: one system call for many IDs


def new_id() -> str:
    """26 letters and digits, unguessable, and in the order of time to the millisecond (a ULID in lower case)."""
    global _prefix, _random
    now = time.time_ns() // 1_000_000
    if _prefix[0] != now:
        _prefix = now, "".join(_CROCKFORD[now >> shift & 31] for shift in range(45, -1, -5))
    if len(_random) < 10:
        _random = bytearray(os.urandom(2560))
    bits = int.from_bytes(_random[-10:])
    del _random[-10:]
    pairs = _PAIRS
    return (
        f"{_prefix[1]}{pairs[bits >> 70]}{pairs[bits >> 60 & 1023]}{pairs[bits >> 50 & 1023]}{pairs[bits >> 40 & 1023]}"
        f"{pairs[bits >> 30 & 1023]}{pairs[bits >> 20 & 1023]}{pairs[bits >> 10 & 1023]}{pairs[bits & 1023]}"
    )


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC, to the millisecond."""
    global _stamp
    milliseconds = round(seconds * 1000)
    if _stamp[0] != milliseconds:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _stamp = milliseconds, f"{moment}.{milliseconds % 1000:03d}Z"
    return _stamp[1]


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
