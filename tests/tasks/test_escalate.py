"""A notice is loud when an emergency is likely, soft when it may be one, and there is none below that."""

from __future__ import annotations

import pytest

from app.tasks.escalate import NOTICE_FROM, SOFT_FROM, escalate, is_emergency, say
from app.tasks.triage import Triage


def finding(probability: float | None, urgency: str = "emergency") -> Triage:
    found = Triage(intent="symptom", urgency=urgency, confidence=0.5)  # type: ignore[typeddict-item]  # one of its words
    if probability is not None:
        found["urgency_probability"] = probability
    return found


@pytest.mark.parametrize(
    ("probability", "level"),
    [(None, "loud"), (1.0, "loud"), (NOTICE_FROM, "loud"), (0.59, "soft"), (SOFT_FROM, "soft")],
)
def test_a_notice_looks_as_it_is_likely(probability: float | None, level: str) -> None:
    found = finding(probability)
    assert is_emergency(found)
    said = say(escalate.function(found))
    assert said.data == {"level": level}
    assert "emergency services" in said.text


@pytest.mark.parametrize("found", [finding(0.34), finding(0.0), finding(None, "urgent"), finding(1.0, "routine")])
def test_what_is_no_likely_emergency_gets_none(found: Triage) -> None:
    assert not is_emergency(found)
