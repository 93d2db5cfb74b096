"""Call for a person when triage finds an emergency."""

from typing import TypedDict

from app.tasks import Said, task
from app.tasks.triage import Triage as TriageResult


class Escalation(TypedDict):
    """The notice for the room; empty when nothing is urgent enough."""

    notice: str


def say(result: Escalation) -> Said | None:
    """The notice, if there is one."""
    return Said(result["notice"]) if result["notice"] else None


@task(after="triage", says=say)
def escalate(triage: TriageResult) -> Escalation:
    """Notice in the room when a message sounds like an emergency"""
    if triage["urgency"] != "emergency":
        return Escalation(notice="")
    return Escalation(notice="This may be an emergency. If somebody is in danger, call the emergency services now.")
