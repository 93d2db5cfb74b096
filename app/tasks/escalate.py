"""Call for a person when triage finds an emergency."""

from typing import TypedDict

from app.tasks import Said, task
from app.tasks.triage import Triage as TriageResult


class Escalation(TypedDict):
    """The notice for the room."""

    notice: str


def say(result: Escalation) -> Said:
    """The notice."""
    return Said(result["notice"])


def is_emergency(triage: TriageResult) -> bool:
    """Whether it is urgent enough."""
    return triage["urgency"] == "emergency"


@task(after="triage", when=is_emergency, says=say, ordered=False)
def escalate(triage: TriageResult) -> Escalation:
    """Notice in the room when a message sounds like an emergency"""
    return Escalation(notice="This may be an emergency. If somebody is in danger, call the emergency services now.")
