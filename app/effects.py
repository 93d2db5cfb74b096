"""What follows from a commit, as a value: whom to answer, what to show, what to start, what to acknowledge."""

from __future__ import annotations

from asyncio import Future
from typing import Any, NamedTuple

import msgspec

from app.jobs.job import Job, view
from app.payload import Refused
from app.rooms import Room, packet

About = int | str
"""What an event is about, for those who must not show it twice: the `seq` of a message, JOB.ATTEMPT of one that ended, or 0."""


class Receipt:
    """What a batch of results is acknowledged by, once the last of them is committed."""

    __slots__ = ("left", "reply")

    def __init__(self, reply: bytes, left: int) -> None:
        self.reply, self.left = reply, left


class Reply:
    """Who waits for an acknowledgement: a connection, and the number under which it asked (empty: none wanted)."""

    __slots__ = ("connection", "count", "id")

    def __init__(self, connection: Any, id: bytes, count: Any) -> None:
        self.connection, self.id, self.count = connection, id, count


class Piece(NamedTuple):
    """A part of the text of a running attempt; `last`: it will not go on any more."""

    job: str
    attempt: int
    offset: int
    text: str
    last: bool = False


class Effects:
    """Filled by operations in the order of commits, applied by the publisher in this order of kinds."""

    __slots__ = ("answers", "receipts", "replies", "shown", "starts")

    def __init__(self) -> None:
        self.replies: list[tuple[Reply, bytes]] = []
        self.shown: list[tuple[Room, bytes | Piece, About, str | None]] = []  # and the task that it tells of
        self.answers: list[tuple[Future[Any], Any]] = []
        self.receipts: list[bytes] = []
        self.starts: list[Job] = []

    def reply(self, reply: Reply, answer: dict[str, Any]) -> None:
        """Acknowledge an event with `ok: true` and this."""
        reply.count("ok")
        self.replies.append((reply, msgspec.json.encode({"ok": True, **answer})))

    def refuse(self, reply: Reply, refused: Refused) -> None:
        """Acknowledge an event with an error."""
        reply.count(refused.code)
        self.replies.append((reply, msgspec.json.encode({"ok": False, "error": refused.as_error()})))

    def show(self, event: str, room: Room, data: Any, about: About = 0, task: str | None = None) -> None:
        """Tell everybody in the room who may see what this task does."""
        self.shown.append((room, packet(event, data), about, task))

    def show_job(self, room: Room, job: Job) -> None:
        """Tell everybody in the room how the job stands; how its text grows is told by pieces."""
        if room.listeners or room.others:
            about = f"{job.id}.{job.attempt}" if job.delivered else 0
            self.show("job:update", room, view(job, with_text=job.final), about, job.task)

    def show_piece(self, room: Room, task: str, piece: Piece) -> None:
        """Tell everybody in the room how the text of an attempt of this task goes on."""
        if room.listeners or room.others:
            self.shown.append((room, piece, 0, task))

    def answer(self, future: Future[Any] | None, value: Any) -> None:
        """Give this to whoever waits for the commit."""
        if future is not None:
            self.answers.append((future, value))

    def received(self, receipt: Receipt | None) -> None:
        """One result of a batch is safe; the last one acknowledges the batch."""
        if receipt is not None:
            receipt.left -= 1
            if receipt.left == 0:
                self.receipts.append(receipt.reply)

    def start(self, job: Job) -> None:
        """Hand the attempt to the runner of its path."""
        self.starts.append(job)
