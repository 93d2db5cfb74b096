"""Time zones by their IANA names, and what a clock there shows."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # there is none, no name at all, a folder of them
        return False
    return True


def written(at: float, zone: str) -> dict[str, str]:
    """A moment (seconds since 1970) as a clock of this zone shows it: the `written` of a task."""
    return {"at": datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat(timespec="seconds"), "zone": zone}
