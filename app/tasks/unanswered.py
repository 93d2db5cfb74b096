"""A notice when an urgent message got no reply by those who answer, in time."""

from typing import TypedDict

from app.tasks import Said, Text, task
from app.tasks.triage import Triage

URGENT = ("emergency", "urgent")
SHOWN = 80  # characters of the message


class Unanswered(TypedDict):
    """How urgent the message is, and how it begins."""

    urgency: str
    text: str


def say(result: Unanswered) -> Said:
    """The notice."""
    return Said(f"Nobody has answered yet ({result['urgency']}): “{result['text']}”", data={"level": "soft"})


def is_urgent(triage: Triage) -> bool:
    """Whether it cannot wait."""
    return triage["urgency"] in URGENT


@task(
    after="triage", when=is_urgent, delay="UNANSWERED_SECONDS", unless_answered=True, on=False, says=say, ordered=False
)
def unanswered(triage: Triage, text: Text) -> Unanswered:
    """Notice when an urgent message gets no answer"""
    return Unanswered(urgency=triage["urgency"], text=text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
