"""What a job takes with it."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from app import messages
from app.jobs.accept import MAX_ARGS, with_context
from app.messages import Person
from app.tasks import Line, task


@task(history=200)
def recall(history: list[Line]) -> dict[str, int]:
    """Remembers"""
    return {"lines": len(history)}


def say(connection: Connection, number: int, text: str) -> None:
    """A message of Ann's."""
    messages.add_from_user(connection, Person("ann", "Ann"), "lobby", f"k{number}", text, None, 1.0)


def test_history_is_what_people_wrote_oldest_first(connection: Connection) -> None:
    for number in range(250):
        say(connection, number, str(number))
    messages.add_from_job(connection, "lobby", "job", {"task": "summarize"}, "not a person", None, 1.0, "ml")
    lines = with_context(connection, recall, "lobby", {})["history"]
    assert lines == [{"sender": "Ann", "text": str(number)} for number in range(50, 250)]


def test_history_past_256_kb_loses_its_oldest_lines(connection: Connection) -> None:
    for number in range(100):
        say(connection, number, f"{number} " + "x" * 8000)
    args = with_context(connection, recall, "lobby", {})
    assert 0 < len(args["history"]) < 100
    assert args["history"][-1]["text"].startswith("99 ")
    assert len(msgspec.json.encode(args)) <= MAX_ARGS + 64
