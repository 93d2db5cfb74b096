"""A message that somebody writes, and the jobs that start with it: one operation, kept whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from app.chat import reading
from app.contract import MessageView, Person, Send
from app.effects import Effects, Reply
from app.ids import new_id, rfc3339
from app.jobs.job import Job
from app.jobs.lifecycle import Lifecycle
from app.jobs.transitions import ANSWER_SECONDS, NOT_STORED, Accept
from app.payload import Refused
from app.rooms import Room
from app.store.operation import Look, Operation, Rows, add_row
from app.store.statements import message_row

Wrote = Callable[[str, str, float], None]  # room, sender and time of a user message that was stored


class Post(Operation):
    """Numbered and stored, then acknowledged, shown, and its jobs started; a resend changes nothing."""

    urgent = True

    def __init__(
        self,
        life: Lifecycle,
        room: Room,
        who: Person,
        what: Send,
        jobs: list[Job],
        wrote: Wrote,
        draft: Job | None = None,
        role: str | None = None,
    ) -> None:
        """`draft` is the job that wrote what they sent, perhaps in other words; `role` that of somebody who answers."""
        self.life, self.room, self.who, self.what, self.wrote = life, room, who, what, wrote
        self.reply: Reply | None = None
        self.expires = life.now() + ANSWER_SECONDS
        self.at = time.time()
        self.message = MessageView(
            room=room.name,
            seq=0,  # until it has its number
            id=new_id(),
            key=what.key,
            sender=who,
            kind="user",
            text=what.text,
            upload=what.upload,
            data=about(life, what.upload, draft, role) or None,
            at=rfc3339(self.at),
        )
        self.accepts = [Accept(life, job) for job in jobs]
        self.prepared = 0

    def prepare(self, rows: Rows) -> None:
        """Take the room's next number, and prepare the jobs with it."""
        self.room.next_seq += 1
        self.message.seq = self.room.next_seq
        add_row(rows, "message", message_row(self.message, self.at))
        if self.message.upload is not None:
            add_row(rows, "use", (self.message.upload,))
        for accept in self.accepts:
            accept.job.message = self.message.seq
            self.prepared += 1
            accept.prepare(rows)

    def undo(self) -> None:
        """Give the number back, and what the jobs took."""
        for accept in reversed(self.accepts[: self.prepared]):
            accept.undo()
        self.prepared = 0
        self.room.next_seq -= 1

    def done(self, effects: Effects) -> None:
        """Acknowledge the message, show it, and start its jobs."""
        self.room.seq = self.message.seq
        self.wrote(self.room.name, self.who.id, self.at)
        self.life.metrics.message_stored("user")
        message = Raw(msgspec.json.encode(with_link(self.message, self.life.link)))  # once for both
        if self.reply is not None:
            effects.reply(self.reply, {"message": message})
        effects.show("message:new", self.room, message, self.message.seq)
        for accept in self.accepts:
            accept.done(effects)

    def failed(self, effects: Effects, error: Exception) -> None:
        """Say that it is not stored."""
        if self.reply is not None:
            effects.refuse(self.reply, NOT_STORED)

    def by_key(self) -> Look:
        """The message under the sender's key."""
        return reading.FIND_BY_KEY, (self.room.name, self.who.id, self.what.key)

    def conflict(self, effects: Effects, row: Any) -> None:
        """A resend: the message is there already, unless the key was used for another."""
        if self.reply is None or row is None:
            self.failed(effects, LookupError("a key in use, and no message that has it"))
            return
        known = reading.message(row)
        draft = (known.data or {}).get("draft")
        same = known.text in (self.what.text, self.what.text.replace("\0", "\ufffd"))  # not every database keeps NUL
        if not same or (known.upload, draft) != (self.what.upload, self.what.draft):
            why = "this key was used for another message: a new message needs a new key"
            effects.refuse(self.reply, Refused("conflict", why, "key"))
        else:
            effects.reply(self.reply, {"message": with_link(known, self.life.link), "duplicate": True})


def about(life: Lifecycle, upload: str | None, draft: Job | None, role: str | None) -> dict[str, Any]:
    """What goes with a message: the size of its image, whose draft it was (only those who answer send one), or their role."""
    known: dict[str, Any] = dict(life.size(upload)) if upload is not None else {}
    if draft is not None:
        known |= {"draft": draft.id, "task": draft.task, "person": draft.sender_name}
    elif role is not None:
        known["role"] = role
    return known


def with_link(message: MessageView, link: Callable[[str], str]) -> MessageView:
    """The message with `data.url`, a fresh link to its upload, where it has one."""
    if message.upload is not None:
        message.data = {**(message.data or {}), "url": link(message.upload)}
    return message
