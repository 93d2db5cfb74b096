"""Call for a person when triage finds an emergency: loudly when it is sure, else softly."""

from typing import Literal, TypedDict

from app.tasks import Said, task
from app.tasks.triage import Triage as TriageResult

NOTICE_FROM = 0.6  # how likely it must be for a loud notice
SOFT_FROM = 0.35  # and for any

LOUD = "This may be an emergency. If somebody is in danger, call the emergency services now."
SOFT = "Perhaps this is urgent. If somebody is in danger, call the emergency services."


class Escalation(TypedDict):
    """The notice for the room, and how it is to look."""

    notice: str
    level: Literal["loud", "soft"]


def say(result: Escalation) -> Said:
    """The notice."""
    return Said(result["notice"], data={"level": result["level"]})


def likelihood(triage: TriageResult) -> float:
    """How likely it is that an emergency is one: a model that does not say is believed."""
    return triage.get("urgency_probability", 1.0)


def is_emergency(triage: TriageResult) -> bool:
    """Whether it is urgent enough, and likely enough."""
    return triage["urgency"] == "emergency" and likelihood(triage) >= SOFT_FROM


@task(after="triage", when=is_emergency, says=say, ordered=False)
def escalate(triage: TriageResult) -> Escalation:
    """Notice in the room when a message sounds like an emergency"""
    if likelihood(triage) >= NOTICE_FROM:
        return Escalation(notice=LOUD, level="loud")
    return Escalation(notice=SOFT, level="soft")
