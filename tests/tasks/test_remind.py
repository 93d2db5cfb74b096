"""A reminder names one moment in the next thirty days, and anything else is refused with its field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.payload import Refused
from app.tasks import discover
from app.tasks.remind import say, seconds_until


def args(**given: Any) -> dict[str, Any]:
    """The arguments of a request, checked."""
    return discover()["remind"].check({"text": "Drink", **given})


def test_seconds_and_times_of_any_zone_are_understood() -> None:
    assert seconds_until(args(in_s=90)) == 90
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert seconds_until(args(at=in_an_hour)) == pytest.approx(3600, abs=5)
    assert seconds_until(args(at=in_an_hour.replace("+00:00", "Z"))) == pytest.approx(3600, abs=5)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "at"),
        ({"at": "2100-01-01T00:00:00Z", "in_s": 5}, "at"),
        ({"at": "9999-12-31T23:59:59Z"}, "at"),
        ({"at": "2020-01-01T00:00:00Z"}, "at"),
        ({"at": "tomorrow"}, "at"),
        ({"at": "2100-01-01T00:00:00"}, "at"),
        ({"at": ""}, "at"),
        ({"in_s": 0}, "in_s"),
        ({"in_s": -1}, "in_s"),
        ({"in_s": 1e300}, "in_s"),
    ],
)
def test_no_moment_or_one_far_away_is_refused_with_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        seconds_until(args(**given))
    assert (refused.value.code, refused.value.field) == ("bad_request", field)


def test_the_reminder_fits_a_message() -> None:
    assert say({"text": "Drink"}).text == "Reminder: Drink"
    assert len(say({"text": "x" * 8192}).text) == 8192
