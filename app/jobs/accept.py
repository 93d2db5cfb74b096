"""Making jobs: everything a task needs is read now, so that the row alone is the promise."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from app import messages
from app.ids import new_id, new_trace
from app.jobs.job import Job
from app.messages import Person
from app.tasks import Task

MAX_ARGS = 256 * 1024  # bytes


class Begin(NamedTuple):
    """How a new job begins: its path, and its first state."""

    path: str
    state: str  # accepted; running, when a place on the simple path is kept for it; skipped, when there is no room


def make(
    task: Task, begin: Begin, room: str, args: dict[str, Any], asker: Person | None, now: float, **values: Any
) -> Job:
    """A job that is not in the ledger yet."""
    skipped = begin.state == "skipped"
    return Job(
        id=new_id(),
        room=room,
        task=task.name,
        args=msgspec.json.encode(args).decode(),
        path=begin.path,
        state=begin.state,
        delivered=skipped,
        started=now if begin.state == "running" else None,
        finished=now if skipped else None,
        at=now,
        deadline=now + task.deadline,
        attempts=task.attempts,
        trace=new_trace(),
        sender_id=asker.id if asker else None,
        sender_name=asker.name if asker else None,
        **values,
    )


def follow(parent: Job, child: Task, result: Any, now: float) -> Job:
    """The job that follows a delivered one, with that one's result; its path is chosen when it is dispatched."""
    asker = Person(parent.sender_id, parent.sender_name or "") if parent.sender_id is not None else None
    args = {parent.task: result} if parent.task in child.given else {}
    return make(child, Begin(parent.path, "accepted"), parent.room, args, asker, now, message=parent.message)


def with_context(connection: Connection, task: Task, room: str, args: dict[str, Any]) -> dict[str, Any]:
    """The arguments together with what the task wants to know of the room, oldest lines left out past 256 KB."""
    if not task.history:
        return args
    lines = messages.history(connection, room, task.history)
    size = len(msgspec.json.encode(args))
    kept: list[dict[str, str]] = []
    for line in reversed(lines):
        size += len(msgspec.json.encode(line)) + 1
        if size > MAX_ARGS:
            break
        kept.append(line)
    return {**args, "history": kept[::-1]}
