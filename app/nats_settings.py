"""Settings about NATS: how their text becomes a value; `ValueError` says what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable

NATS_PATTERN = re.compile(r"(([A-Za-z0-9_-]+|\*)\.)*([A-Za-z0-9_-]+|\*|>)")


class Apart(tuple[str, ...]):
    """NATS servers that do not know of each other, each as a comma-separated list of addresses."""

    __slots__ = ()


def nats_urls(value: str) -> tuple[str, ...]:
    """Addresses; an `Apart` where there are several servers."""
    servers = [",".join(part.strip() for part in one.split(",") if part.strip()) for one in value.split("|")]
    if not all(re.fullmatch(r"(nats|tls)://[^\s,/|]+", url) for one in servers for url in one.split(",") if url):
        raise ValueError(
            "empty, or a comma-separated list of nats://HOST:PORT or tls://HOST:PORT, of servers that do not know of each"
            " other with | in between,"
        )
    if len(servers) > 1 and not all(servers):
        raise ValueError("an address on each side of every |")
    return Apart(servers) if len(servers) > 1 else tuple(url for url in servers[0].split(",") if url)


def _shaped(pattern: str, expected: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(expected)
        return value

    return parse


prefix = _shaped(r"[A-Za-z0-9_-]{0,32}", "up to 32 of A-Z a-z 0-9 _ -")
"""A prefix of names."""
stream_name = _shaped(r"[A-Za-z0-9_-]{1,64}", "1 to 64 of A-Z a-z 0-9 _ -")
"""The name of a stream or a consumer, which has no dots."""
consumer = _shaped(
    r"[A-Za-z0-9_-]{0,32}\{lane\}[A-Za-z0-9_-]{0,32}", "a name with {lane} in it, such as workers-{lane},"
)
"""The name of the consumer of each lane."""
inbox = _shaped(r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?", "empty, or a prefix of subjects such as _INBOX_worker")
"""A prefix of subjects."""


def stream(value: str) -> str:
    """As above, or empty."""
    return stream_name(value) if value else value


def subjects_of(value: str) -> tuple[str, ...]:
    """Subjects, with the stars of NATS."""
    subjects = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(NATS_PATTERN.fullmatch(subject) for subject in subjects):
        raise ValueError("empty, or a comma-separated list of NATS subjects such as billing.done,hooks.>,")
    return subjects
