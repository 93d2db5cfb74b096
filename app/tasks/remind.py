"""A message to the room, later."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from app.ids import moment
from app.tasks import Refused, Said, Text, task

LONGEST = timedelta(days=30)  # as long as any job may be put off


class Reminder(TypedDict):
    """What the room is reminded of."""

    text: str


def say(result: Reminder) -> Said:
    """The reminder."""
    return Said(f"Reminder: {result['text']}"[:8192])


def seconds_until(args: dict[str, Any]) -> float:
    """For how long it waits: until `at`, or for `in_s` seconds; raises Refused."""
    at, in_s = args["at"], args["in_s"]
    if (at is None) == (in_s is None):
        raise Refused("bad_request", "expected one of at (such as 2026-03-02T09:30:00+01:00) and in_s (seconds)", "at")
    field = "at" if at is not None else "in_s"
    seconds = float(in_s) if in_s is not None else (_moment(at) - datetime.now(UTC)).total_seconds()
    if seconds <= 0:
        raise Refused("bad_request", "this is not in the future", field)
    if seconds > LONGEST.total_seconds():
        raise Refused("bad_request", f"this is too far away: at most {LONGEST.days} days are allowed", field)
    return seconds


def _moment(at: str) -> datetime:
    found = moment(at)
    if found is None:
        raise Refused("bad_request", "expected a time such as 2026-03-02T09:30:00+01:00, with its offset", "at")
    return found


@task(delay=seconds_until, says=say, ordered=False)
def remind(text: Text, at: str | None = None, in_s: float | None = None) -> Reminder:
    """Reminder of the room, later"""
    return Reminder(text=text)
