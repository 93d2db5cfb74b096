"""Which rooms a token opens."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.grant import Grant, fits
from app.contract import Person

FEW = st.text("ab-", max_size=12)
PATTERNS = st.text("ab-*", max_size=12)


@pytest.mark.parametrize(
    ("pattern", "opens", "leaves"),
    [
        ("clinic", ["clinic"], ["clinic-2", "Clinic", "a-clinic"]),
        ("ward-*", ["ward-", "ward-7", "ward-7.b"], ["ward", "a-ward-7"]),
        ("*", ["anything", "."], []),
        ("*-night", ["ward-night"], ["ward-night-2"]),
        ("a*b*c", ["abc", "axxbyyc"], ["acb", "ab", "abcx"]),
        ("a.c", ["a.c"], ["abc"]),
        ("[ab]", [], ["a", "b"]),
        ("ab*ba", ["abba", "abxba"], ["aba"]),
    ],
)
def test_a_star_stands_for_any_run_of_characters(pattern: str, opens: list[str], leaves: list[str]) -> None:
    assert [room for room in [*opens, *leaves] if fits(room, pattern)] == opens


@given(FEW, PATTERNS)
def test_patterns_mean_what_a_regular_expression_with_dots_means(room: str, pattern: str) -> None:
    meant = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert fits(room, pattern) == bool(re.fullmatch(meant, room))


def test_without_rooms_there_is_no_room() -> None:
    assert not Grant(Person("ada", "Ada"), ()).may_enter("clinic")
