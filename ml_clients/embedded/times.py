"""Dates and times that a message means, as a clock of its writer shows them. Calendar dates are read by dateparser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import dateparser  # type: ignore[import-untyped] # it has none

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NUMBERS = {
    word: number
    for number, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], start=1
    )
}
MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
NUMBER = rf"\d{{1,3}}|an?|{'|'.join(NUMBERS)}"
DAY_NAME = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
CALENDAR = (
    rf"\d{{4}}-\d\d-\d\d|\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH}(?:,?\s+\d{{4}})?"
    rf"|{MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?(?!\d|:)|(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)"
)
DAY = (
    rf"the\s+day\s+after\s+tomorrow|tomorrow|today|tonight|this\s+(?:morning|afternoon|evening)|in\s+(?:{NUMBER})\s+(?:days?|weeks?)|next\s+week\s+{DAY_NAME}"
    rf"|(?:{DAY_NAME},?\s+)?(?:{CALENDAR})|(?:next\s+|this\s+)?{DAY_NAME}"
)
PART = r"(?:in\s+the\s+)?(?:morning|afternoon|evening)"
CLOCK = (
    rf"noon|half\s+past\s+(?:{NUMBER})|quarter\s+(?:past|to)\s+(?:{NUMBER})|\d{{1,2}}(?::\d\d)?(?:\s*[ap]\.?m\b\.?)?"
)
TIME = rf"(?:{CLOCK})(?:\s+o'?clock)?(?:\s+{PART})?"
FIRST_DAY = re.compile(
    rf"\b(?P<day>{DAY})(?:\s+(?P<part>{PART}))?(?:,?\s+|T)(?:at\s+|um\s+)?(?P<time>{TIME})\b",
    re.IGNORECASE | re.ASCII,
)
FIRST_TIME = re.compile(rf"\b(?P<time>{TIME})\s+(?:on\s+)?(?P<day>{DAY})\b", re.IGNORECASE | re.ASCII)
ALONE = re.compile(
    r"(?<![\d:.])(?P<time>\d{1,2}(?::\d\d)?\s*[ap]\.?m\b\.?|\d{1,2}:\d\d)(?![\d:])", re.IGNORECASE | re.ASCII
)
LATER = re.compile(
    rf"\bin\s+(?:(?P<half>half\s+an\s+hour)|(?P<number>{NUMBER})\s+(?P<unit>hours?|minutes?))\b",
    re.IGNORECASE | re.ASCII,
)
MOST_READ = 60  # places in one text that may name a moment: dates among them are parsed
SURGERY_OPENS = 7  # an hour below it, without a word on the time of the day, is one of the afternoon


@dataclass(frozen=True)
class Meant:
    """A moment, and where the text says it (in code points)."""

    start: int
    end: int
    at: datetime


def times(text: str, written: datetime, zone: str) -> list[Meant]:
    """Every moment that the text names with its time of the day, after it was written, in their order.

    Dates of numbers alone are read as in the writer's zone: month first in America, day first elsewhere.
    """
    now = written.astimezone(ZoneInfo(zone))
    read: list[tuple[int, int]] = []
    found: list[Meant] = []
    for (start, end), at in islice(_all(text, now, zone.startswith(("America/", "US/"))), MOST_READ):
        if any(start < other_end and other_start < end for other_start, other_end in read):
            continue
        read.append((start, end))  # a part of what is over, or never was, is no moment of its own
        if at is not None and at > now:
            found.append(Meant(start, end, at))
    return sorted(found, key=lambda meant: meant.start)


def _all(text: str, now: datetime, month_first: bool) -> Iterator[tuple[tuple[int, int], datetime | None]]:
    """Places that may name a moment, the longest kinds first, and the moment where there is such a one."""
    for found in LATER.finditer(text):
        minutes = 30 if found["half"] else _number(found["number"]) * (60 if found["unit"][0] in "hH" else 1)
        yield found.span(), now + timedelta(minutes=minutes)
    for pattern in (FIRST_DAY, FIRST_TIME):
        for found in pattern.finditer(text):
            day = _day(found["day"].lower(), now, month_first)
            hint = f"{found['day']} {found['part'] or ''}" if pattern is FIRST_DAY else found["day"]
            clock = _clock(found["time"].lower(), hint.lower())
            if day is None or clock is None:
                yield found.span(), None
                continue
            at = datetime(day.year, day.month, day.day, *clock, tzinfo=now.tzinfo)
            if at <= now and found["day"].lower().rstrip() in DAYS:  # Monday, said on a Monday: the next one
                at += timedelta(days=7)
            yield found.span(), at
    for found in ALONE.finditer(text):
        clock = _clock(found["time"].lower(), "")
        if clock is not None:
            yield found.span(), now.replace(hour=clock[0], minute=clock[1], second=0, microsecond=0)


def _number(word: str) -> int:
    word = word.lower()
    return 1 if word in ("a", "an") else NUMBERS.get(word) or int(word)


def _day(said: str, now: datetime, month_first: bool) -> date | None:
    today = now.date()
    if said.endswith("after tomorrow"):
        return today + timedelta(days=2)
    if said in ("tomorrow", "today", "tonight") or re.search(r"^this\s.*(?:ing|noon)$", said):
        return today + timedelta(days=said == "tomorrow")
    if said.startswith("in "):
        _, number, unit = said.split()
        return today + timedelta(days=_number(number) * (7 if unit.startswith("week") else 1))
    weekday = re.fullmatch(rf"(next\s+week\s+|next\s+|this\s+)?({DAY_NAME})", said)
    if weekday:
        return _weekday(today, (weekday[1] or "").strip(), weekday[2])
    return _calendar(re.sub(rf"^{DAY_NAME},?\s+|^the\s+", "", said), now, month_first)


def _weekday(today: date, which: str, name: str) -> date | None:
    number = next(
        (at for at, day in enumerate(DAYS) if day.startswith(name[:3]) and day.startswith(name.rstrip("s."))), None
    )
    if number is None and name[:3] in [day[:3] for day in DAYS] and name in ("tues", "thur", "thurs", "weds"):
        number = [day[:3] for day in DAYS].index(name[:3])
    if number is None:
        return None
    if which.startswith("next"):  # of the week that begins with the next Monday
        return today + timedelta(days=7 - today.weekday() + number)
    return today + timedelta(days=(number - today.weekday()) % 7)


def _calendar(said: str, now: datetime, month_first: bool) -> date | None:
    first = re.match(r"(\d{1,2})[./](\d{1,2})[./]", said)
    order = "DMY"
    if first and (int(first[2]) > 12 or (month_first and "." not in said and int(first[1]) <= 12)):
        order = "MDY"
    if re.match(r"\d{4}-", said):
        order = "YMD"
    found = dateparser.parse(
        said,
        languages=["en"],
        settings={
            "DATE_ORDER": order,
            "PREFER_DATES_FROM": "future",
            "PREFER_DAY_OF_MONTH": "first",
            "RELATIVE_BASE": now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None),
        },
    )
    # It reads "32 March" as a month of the year 2032.
    return found.date() if found is not None and found.day in map(int, re.findall(r"\d+", said)) else None


def _clock(said: str, hint: str) -> tuple[int, int] | None:
    """Hours and minutes; `hint` is what else is said of the day, such as its part."""
    part = said + " " + hint
    evening = "afternoon" in part or "evening" in part or "tonight" in part
    if said.startswith("noon"):
        return 12, 0
    past = re.match(r"(half|quarter)\s+(past|to)\s+(\w+)", said)
    if past:
        minutes = 30 if past[1] == "half" else 15
        if not 1 <= _number(past[3]) <= 12:
            return None
        return _of_day(_number(past[3]), minutes, evening, "morning" in part, back=past[2] == "to")
    found = re.match(r"(\d{1,2})(?::(\d\d))?\s*([ap])?", said)
    if found is None or int(found[1]) > 23 or int(found[2] or 0) > 59:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        return (hour % 12 + (12 if found[3] == "p" else 0), minute) if 1 <= hour <= 12 else None
    return _of_day(hour, minute, evening, "morning" in part or bool(found[2]))


def _of_day(hour: int, minute: int, is_evening: bool, is_exact: bool, back: bool = False) -> tuple[int, int]:
    if hour < 12 and (is_evening or (hour < SURGERY_OPENS and not is_exact)):
        hour += 12
    if back:
        hour, minute = hour - 1, 60 - minute
    return hour, minute
