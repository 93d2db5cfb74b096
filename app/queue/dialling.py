"""How connections to the broker are made, by whom, and what it means that there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.queue.accounts import inbox_of
from app.settings import Settings

NOTE_SECONDS = 10.0  # between two lines about the same trouble: a broker away for an hour must not fill the log
Note = Callable[[str], None]


class QueueUnavailable(Exception):
    """The broker cannot be reached, or did not confirm in time."""


def identity(settings: Settings) -> dict[str, Any]:
    """Who we are to the broker, as nats-py's connect takes it; a user or a token may be in the URL instead."""
    own: dict[str, Any] = {"inbox_prefix": settings.nats_inbox or inbox_of(settings.broker_user)}
    return {**own, "user_credentials": settings.nats_creds} if settings.nats_creds else own


def dialling(settings: Settings, tls: Any = None) -> dict[str, Any]:
    """How every lasting connection is made, as nats-py's connect takes it: it is kept for ever."""
    return {
        "servers": [url for urls in settings.servers for url in urls],
        "dont_randomize": len(settings.servers) > 1,  # those who must meet go to the same of those that are apart
        "name": "spillway",
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.25,  # seconds; nats-py sleeps for as long as it is told
        "connect_timeout": 2,
        "ping_interval": 5,
        "tls": tls,
        **identity(settings),
    }
