"""Which NATS subjects may be called back."""

from __future__ import annotations

import pytest

from app.callbacks.subjects import OURS, Subjects
from app.payload import Refused


def allowed(subject: str, *patterns: str, prefix: str = "") -> bool:
    """Whether it may be called back."""
    refused: Refused | None = None
    try:
        Subjects(patterns, prefix).check(subject)
    except Refused as error:
        refused = error
    assert refused is None or (refused.code, refused.field) == ("bad_request", "callback")
    return refused is None


def test_patterns_are_those_of_nats() -> None:
    assert allowed("billing.done", "billing.done")
    assert allowed("billing.done", "billing.*")
    assert allowed("billing.a.b", "billing.>")
    assert allowed("a.b.c", "*.b.*")
    assert allowed("anything.at.all", ">")
    assert not allowed("billing", "billing.>")
    assert not allowed("billing.a.b", "billing.*")
    assert not allowed("billing.done", "billing.done.x")
    assert not allowed("other", "billing.done")
    assert not allowed("billing.done")


@pytest.mark.parametrize(
    "subject", ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "$SYS.x", "a\r\nPUB x", "ä", "x" * 256]
)
def test_what_is_no_subject_is_refused(subject: str) -> None:
    assert not allowed(subject, ">")


@pytest.mark.parametrize("name", OURS)
def test_our_own_subjects_are_never_called_back(name: str) -> None:
    assert not allowed(f"{name}.x", ">")
    assert not allowed(f"x.{name}.y", ">", prefix="x")
    assert allowed(f"{name}.x", ">", prefix="x")
    assert not allowed("_INBOX.abc", ">", prefix="x")
