"""Reading what is sent: what fits, and how a refusal names what does not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.payload import MAX_DEPTH, Key, PersonName, Refused, RoomName, Text, Upload, read


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A part."""

    number: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    """A whole."""

    name: str
    parts: list[Inner] = []


def refusal(data: Any, kind: Any = Outer) -> tuple[str, str | None, str]:
    """Code, field and message."""
    with pytest.raises(Refused) as refused:
        read(data, kind)
    return refused.value.code, refused.value.field, refused.value.message


def test_what_fits_is_read() -> None:
    assert read({"name": "x", "parts": [{"number": 1}]}, Outer) == Outer("x", [Inner(1)])


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({}, "name", "name"),
        ({"name": 1}, "name", "Expected `str`, got `int`"),
        ({"name": "x", "colour": 1}, "colour", "colour"),
        ({"name": "x", "parts": [{"number": "1"}]}, "parts[0].number", "Expected `int`, got `str`"),
        ({"name": "x", "parts": [{}]}, "parts[0].number", "number"),
        ({"name": "a\x07b"}, "name", "U+0007"),
        ({"name": "a\ud800"}, "name", "U+D800"),
        ({"name": float("nan")}, "name", "nan"),
        ({"name": [float("inf")]}, "name", "inf"),
        ({"name": b"bytes"}, "name", "binary"),
        ([], None, "object"),
        (None, None, "object"),
    ],
)
def test_a_refusal_names_the_field_and_what_would_be_right(data: Any, field: str | None, words: str) -> None:
    code, named, message = refusal(data)
    assert (code, named) == ("bad_request", field)
    assert words in message


def test_depth_is_bounded_without_recursion() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert refusal({"name": deep})[1] == "name"
    fits: Any = 1
    for _ in range(MAX_DEPTH - 1):
        fits = [fits]
    assert read({"x": fits}, dict[str, Any]) == {"x": fits}


def test_a_field_that_cannot_be_printed_is_named_all_the_same() -> None:
    code, field, message = refusal({"a\ud800": "b\x00"})
    assert code == "bad_request"
    for words in (field or "", message):
        words.encode()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Text, ["x", "x" * 8192, "𝄞" * 8192, "\t\n", "\x7f"], ["", "x" * 8193, "\r", "\x00", "\x1f", "\udfff"]),
        (Key, ["a", "A-z_9", "k" * 64], ["", "k" * 65, "a.b", "a b", "ä", "a\n"]),
        (RoomName, ["a", "A-z_9.", "r" * 64], ["", "r" * 65, "a/b", "a b", "ä", "a\n", "*"]),
        (PersonName, ["x", "Zoë 👩‍⚕️", "n" * 64], ["", "n" * 65, "a\nb\x00"]),
        (Upload, ["0" * 26], ["0" * 25, "0" * 27, "A" * 26, "../../../etc/passwd.......", ""]),
    ],
    ids=["text", "key", "room", "name", "upload"],
)
def test_each_kind_of_word_has_its_bounds(kind: Any, good: list[str], bad: list[str]) -> None:
    for word in good:
        assert read(word, kind) == word
    for word in bad:
        refusal(word, kind)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
    max_leaves=20,
)


@given(anything)
def test_anything_is_read_or_refused_with_an_error_that_can_be_sent(data: Any) -> None:
    for kind in (Outer, dict[str, Any], Text):
        try:
            read(data, kind)
        except Refused as refused:
            msgspec.json.encode(refused.as_error())


def test_an_error_says_only_what_is_known() -> None:
    assert Refused("busy", "wait", retry_after=1.5).as_error() == {
        "code": "busy",
        "message": "wait",
        "retry_after": 1.5,
    }
    assert Refused("busy", "wait").as_error() == {"code": "busy", "message": "wait"}
