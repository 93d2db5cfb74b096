"""Reads example lines for triage: plain text, grouped under headings like `[billing routine]`.

A line that starts with # is a comment. The heading names the intent and the urgency of the lines
below it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

INTENTS = (
    "appointment",
    "billing",
    "complaint",
    "greeting",
    "medication",
    "records",
    "refill",
    "smalltalk",
    "symptom",
    "technical_problem",
    "test_results",
    "thanks",
)
# Most urgent first.
URGENCIES = ("emergency", "urgent", "routine", "none")

_HEADING = re.compile(r"\[(\w+) (\w+)\]")


@dataclass(frozen=True)
class Example:
    """A message and what triage should say of it."""

    text: str
    intent: str
    urgency: str


def read_examples(path: Path) -> list[Example]:
    """The examples of a file; raises ValueError that names the line which is not right."""
    examples: list[Example] = []
    heading: tuple[str, str] | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("["):
            heading = _heading(text, f"{path.name} line {number}")
        elif heading is None:
            raise ValueError(f"{path.name} line {number} comes before any [intent urgency] heading")
        else:
            examples.append(Example(text, *heading))
    return examples


def _heading(text: str, where: str) -> tuple[str, str]:
    match = _HEADING.fullmatch(text)
    if not match or match[1] not in INTENTS or match[2] not in URGENCIES:
        raise ValueError(
            f"{where} must be [intent urgency] with one of {', '.join(INTENTS)} "
            f"and one of {', '.join(URGENCIES)}, not {text!r}"
        )
    return match[1], match[2]
