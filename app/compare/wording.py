"""Numbers and times in words, for the report and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any


def ms(value: float | None) -> str:
    """Milliseconds with the unit that suits them: 4.2 ms, 44 ms, 1.3 s, 2.5 min; a dash for nothing."""
    if value is None:
        return "–"
    if value < 9.95:
        return f"{value:.1f} ms".replace(".0", "")
    if value < 999.5:
        return f"{value:.0f} ms"
    if value < 59_950:
        return f"{value / 1000:.1f} s" if value < 9_950 else f"{value / 1000:.0f} s"
    return f"{value / 60_000:.1f} min"


def bound_words(value: float) -> str:
    """A bound in milliseconds, unrounded: 100 ms, 2 s, 120 s."""
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def span(values: Sequence[float], words: Callable[[float], str]) -> str:
    """From the lowest to the highest in words: 5.2 to 5.6 s, or 900 ms to 1.2 s; one value where both read alike."""
    low, high = words(min(values)), words(max(values))
    if low == high:
        return low
    number, _, unit = low.rpartition(" ")
    return f"{number if number and high.endswith(f' {unit}') else low} to {high}"


def series(values: Sequence[float | None]) -> str:
    """Milliseconds side by side in one unit: 12 · 30 · 44 ms, or 0.4 · 1.3 · 2.5 s; a dash for nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    unit, size = ("ms", 1.0) if max(known) < 999.5 else ("s", 1000.0)
    return " · ".join("–" if value is None else f"{_short(value / size)}" for value in values) + f" {unit}"


def _short(value: float) -> str:
    if value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"


def seconds(value: float | None) -> str:
    """As `ms`, of seconds."""
    return ms(None if value is None else value * 1000)


def count(value: float | None) -> str:
    """A number with thousands apart: 14,700; two digits for small fractions."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 99.5 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}".replace(".0", "") if abs(value) >= 9.95 else f"{value:.2g}"


def percent(value: float | None) -> str:
    """0.5 %."""
    return "–" if value is None else f"{count(round(value, 1))} %"


def in_words(value: float) -> str:
    """A large number in words: 14,700, 100,000, 10 million, 1.4 billion."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return count(value)


def join_words(words: Sequence[str]) -> str:
    """a, b and c."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def plural(number: int, one: str, more: str | None = None) -> str:
    """1 part, 2 parts."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def setting(value: Any) -> str:
    """A value of a workload file: text as it is, lists and tables by their entries."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {setting(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(setting(each) for each in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def moment(rfc3339: str) -> str:
    """21 November 2026, 12:00 UTC; what is no time stays as it is."""
    try:
        at = datetime.fromisoformat(rfc3339).astimezone(UTC)
    except ValueError:
        return rfc3339
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
