"""What a room talked about, in its own words."""

from typing import TypedDict

from app.tasks import Line, Said, task
from ml_clients import summary as model


class Summary(TypedDict):
    """The lines that say most, in the order in which they were written."""

    lines: list[str]


def say(result: Summary) -> Said:
    """The lines as one message."""
    if not result["lines"]:
        return Said("There is nothing to summarize yet.")
    return Said("Summary\n" + "\n".join(f"- {line}" for line in result["lines"]))


@task(history=200, lane="heavy", timeout=60, says=say)
def summarize(history: list[Line]) -> Summary:
    """Summary of the room"""
    return Summary(**model.summarize(history))
