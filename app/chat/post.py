"""What is committed when somebody writes or asks. Runs inside the store's transaction and touches nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from app import messages, uploads
from app.jobs import ledger
from app.jobs.accept import Begin, make, with_context
from app.jobs.job import Job
from app.messages import Message, Person
from app.payload import Refused
from app.tasks import Task, on_message


@dataclass
class Posted:
    """A stored message and the jobs that start with it; `duplicate` when it was there already."""

    message: Message
    jobs: list[Job] = field(default_factory=list)
    duplicate: bool = False


@dataclass
class Asked:
    """A job in the ledger; `duplicate` when it was there already."""

    job: Job
    duplicate: bool = False


def post(
    connection: Connection,
    tasks: Mapping[str, Task],
    begins: Mapping[str, Begin],
    who: Person,
    room: str,
    key: str,
    text: str,
    upload: str | None,
    now: float,
    keep: bool,
) -> Posted | Refused:
    """Store a message together with the jobs that start with every message: either all of it is kept, or nothing.

    Without `keep` (LEDGER=off) the jobs are made and not kept.
    """
    known = messages.find_by_key(connection, room, who.id, key)
    if known is not None:
        if (known.text, known.upload) != (text, upload):
            return Refused("conflict", "this key was used for another message: a new message needs a new key", "key")
        return Posted(known, duplicate=True)
    if upload is not None and not uploads.in_room(connection, upload, room):
        return Refused("not_found", f"there is no upload {upload} in room {room}", "upload")
    message = messages.add_from_user(connection, who, room, key, text, upload, now)
    started = []
    for task in on_message(tasks):
        args = with_context(
            connection, task, room, {"text": text} if "text" in task.arguments.__struct_fields__ else {}
        )
        started.append(make(task, begins[task.name], room, args, who, now, message=message.seq, changed=message.seq))
    if keep:
        ledger.add(connection, started)
    return Posted(message, started)


def ask(
    connection: Connection,
    task: Task,
    begin: Begin,
    who: Person,
    room: str,
    key: str,
    args: dict[str, Any],
    now: float,
    keep: bool,
) -> Asked | Refused:
    """Put a job somebody asked for into the ledger."""
    asked = msgspec.json.encode({"task": task.name, "args": args}, order="sorted").decode()
    known = ledger.find_by_key(connection, room, who.id, key)
    if known is not None:
        if known.asked != asked:
            return Refused("conflict", "this key was used for another job: a new job needs a new key", "key")
        return Asked(known, duplicate=True)
    if begin.state == "skipped":
        return Refused("busy", "too many jobs wait: try again in a moment", retry_after=1.0)
    if "upload" in args and not uploads.in_room(connection, args["upload"], room):
        return Refused("not_found", f"there is no upload {args['upload']} in room {room}", "args.upload")
    seq = messages.newest_seq(connection, room)
    job = make(
        task, begin, room, with_context(connection, task, room, args), who, now, key=key, asked=asked, changed=seq
    )
    if keep:
        ledger.add(connection, [job])
    return Asked(job)
