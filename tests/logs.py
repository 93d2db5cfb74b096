"""What a process wrote to its log is looked at, too."""

from __future__ import annotations

from pathlib import Path


def assert_no_traceback(log: Path) -> None:
    """Whatever was done to it, nothing of ours raised what nobody expected."""
    text = log.read_text(errors="replace")
    found = text.find("Traceback (most recent call last)")
    assert found < 0, text[max(0, found - 500) : found + 4000]
