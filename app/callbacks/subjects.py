"""Which NATS subjects may be called back: those that NATS_CALLBACKS lists, and never one of our own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.payload import Refused

OURS = ("jobs", "results", "dead", "cancel", "cancelled", "requests")
SCHEME = "nats:"

_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class Subjects:
    """The subjects that are listed."""

    def __init__(self, patterns: Iterable[str], prefix: str) -> None:
        """`prefix` is what our own subjects begin with (NATS_PREFIX)."""
        self._patterns = [pattern.split(".") for pattern in patterns]
        self._ours = {(prefix, name) if prefix else (name,) for name in OURS}

    def check(self, subject: str) -> None:
        """Raise Refused(bad_request) with `field` callback, unless the subject may be called back."""
        tokens = subject.split(".")
        if not _SUBJECT.fullmatch(subject) or len(subject) > 255:
            raise _refused("a subject is words of A-Z a-z 0-9 _ - with dots between them")
        if subject.startswith("_INBOX") or any(tuple(tokens[: len(own)]) == own for own in self._ours):
            raise _refused(f"subject {subject} is Spillway's own")
        if not any(_fits(tokens, pattern) for pattern in self._patterns):
            raise _refused(f"subject {subject} is not allowed: NATS_CALLBACKS says which are")


def _fits(tokens: list[str], pattern: list[str]) -> bool:
    if pattern[-1] == ">":
        head = pattern[:-1]
        return len(tokens) > len(head) and _fits(tokens[: len(head)], head) if head else True
    return len(tokens) == len(pattern) and all(
        word in ("*", token) for token, word in zip(tokens, pattern, strict=True)
    )


def _refused(why: str) -> Refused:
    return Refused("bad_request", f"this cannot be called back: {why}", "callback")
