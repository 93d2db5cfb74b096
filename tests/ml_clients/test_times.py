"""Moments are those of a clock where the writer is."""

from datetime import datetime

import pytest

from ml_clients.embedded.times import times

MONDAY = datetime.fromisoformat("2026-03-02T08:30:00+00:00")


def moments(text: str, zone: str = "Europe/Berlin") -> list[str]:
    """What a message names."""
    return [each.at.isoformat() for each in times(text, MONDAY, zone)]


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/Berlin", "2026-03-03T10:00:00+01:00"),
        ("America/New_York", "2026-03-03T10:00:00-05:00"),
        ("Asia/Kolkata", "2026-03-03T10:00:00+05:30"),
    ],
)
def test_tomorrow_at_ten_is_where_the_writer_is(zone: str, moment: str) -> None:
    assert moments("tomorrow at 10", zone) == [moment]


def test_a_date_across_the_change_of_clocks_has_the_offset_of_its_day() -> None:
    assert moments("28 March at 12:00 or 30 March at 12:00") == [
        "2026-03-28T12:00:00+01:00",
        "2026-03-30T12:00:00+02:00",
    ]


def test_dates_of_numbers_are_read_as_at_home() -> None:
    assert moments("04/05/2026 at 9:00") == ["2026-05-04T09:00:00+02:00"]
    assert moments("04/05/2026 at 9:00", "America/Chicago") == ["2026-04-05T09:00:00-05:00"]


def test_what_is_over_is_no_appointment() -> None:
    assert moments("today at 8:00") == moments("1 March 2026 at 10:00") == moments("on 3 January 2020 at 9:00") == []


@pytest.mark.parametrize("text", ["99:99 tomorrow", "32 March at 10", "30 February at 10", "0 pm", "tomorrow at 25"])
def test_what_no_clock_shows_is_left_alone(text: str) -> None:
    assert moments(text) == []
