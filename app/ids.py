"""Identifiers and times as the contract writes them."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, as in ULID


def new_id() -> str:
    """26 letters and digits, unguessable, and in the order of time to the millisecond (a ULID in lower case)."""
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return "".join(_LETTERS[number >> shift & 31] for shift in range(125, -1, -5))


@lru_cache(4096)  # the same job and the same message are shown again and again
def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_trace() -> str:
    """A W3C traceparent header value for one job."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
