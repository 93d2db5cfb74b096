"""What clients can send, and how each event is answered: plain functions of who and what, no web request anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from app import messages
from app.chat.audience import Audience
from app.chat.people import Client, People
from app.chat.post import Asked, Posted, ask, post
from app.chat.waiting import Waiting
from app.dispatch.dispatch import Dispatch, as_accepted
from app.jobs import job as jobs
from app.jobs import ledger
from app.jobs.accept import Begin
from app.jobs.job import Job
from app.messages import Message
from app.payload import Key, Refused, RoomName, Text, Upload
from app.store.store import Store
from app.tasks import Task, on_message

T = TypeVar("T")

LAST = 50  # messages somebody sees who joins for the first time
MOST = 500  # messages in one answer to a join

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # what a database column holds
TaskName = Annotated[str, Meta(min_length=1, max_length=64)]


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An event's data; fields it does not name are refused."""

    room: RoomName


class Join(Request):
    """room:join"""

    after: Seq | None = None


class History(Request):
    """room:history"""

    before: Seq
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Leave(Request):
    """room:leave"""


class Send(Request):
    """message:send"""

    key: Key
    text: Text
    upload: Upload | None = None


class Create(Request):
    """job:create"""

    key: Key
    task: TaskName
    args: dict[str, Any] = {}


class Typing(Request):
    """typing"""

    on: bool


class Cancel(msgspec.Struct, forbid_unknown_fields=True):
    """job:cancel"""

    job: Annotated[str, Meta(min_length=1, max_length=64)]


class Events:
    """Answers every event; an answer is what the ack adds to `ok: true`, a refusal is raised."""

    def __init__(
        self,
        store: Store,
        tasks: Mapping[str, Task],
        dispatch: Dispatch,
        people: People,
        audience: Audience,
        waiting: Waiting,
    ) -> None:
        self._store, self._tasks, self._dispatch = store, tasks, dispatch
        self._people, self._audience, self._waiting = people, audience, waiting

    def table(self) -> dict[str, tuple[type[Any], Callable[[Client, Any], dict[str, Any]]]]:
        """Each event's name, what its data must be, and the function that answers."""
        return {
            "room:join": (Join, self.join),
            "room:history": (History, self.history),
            "room:leave": (Leave, self.leave),
            "message:send": (Send, self.send),
            "job:create": (Create, self.create),
            "job:cancel": (Cancel, self.cancel),
            "typing": (Typing, self.typing),
        }

    def join(self, who: Client, what: Join) -> dict[str, Any]:
        """Enter a room. Live events flow from before the history is read, so that nothing falls in between."""
        self._audience.enter(who.sid, what.room)
        changed = self._people.join(who, what.room)
        answer = self._store.read(lambda connection: _catch_up(connection, what.room, what.after))
        if changed:
            self._audience.members(what.room, self._people.members(what.room))
        return {
            **answer,
            "messages": [self._audience.message(message) for message in answer["messages"]],
            "jobs": [jobs.view(job) for job in answer["jobs"]],
            "members": self._people.members(what.room),
            "wait": self._waiting.seconds(),
        }

    def history(self, who: Client, what: History) -> dict[str, Any]:
        """Older messages with their jobs."""
        _check_in_room(who, what.room)

        def read(connection: Connection) -> tuple[list[Message], list[Job]]:
            found = messages.before(connection, what.room, what.before, what.limit)
            return found, ledger.of_messages(connection, what.room, found)

        found, theirs = self._store.read(read)
        return {"messages": [self._audience.message(m) for m in found], "jobs": [jobs.view(job) for job in theirs]}

    def leave(self, who: Client, what: Leave) -> dict[str, Any]:
        """Leave a room."""
        _check_in_room(who, what.room)
        self._audience.leave(who.sid, what.room)
        self._people.leave(who, what.room)
        self._audience.members(what.room, self._people.members(what.room))
        return {}

    def send(self, who: Client, what: Send) -> dict[str, Any]:
        """Store a message, show it to the room and start its jobs; a resend changes nothing."""
        _check_in_room(who, what.room)
        self._check_open()
        begins = {task.name: self._dispatch.begin(task.name, what.room) for task in on_message(self._tasks)}
        keep, content = self._dispatch.keeps, (what.key, what.text, what.upload)
        posted = self._accept(
            lambda c: post(c, self._tasks, begins, who.person, what.room, *content, time.time(), keep),
            self._posted,
            begins.values(),
        )
        if isinstance(posted, Refused):
            raise posted
        return {"message": self._audience.message(posted.message), **({"duplicate": True} if posted.duplicate else {})}

    def create(self, who: Client, what: Create) -> dict[str, Any]:
        """Accept a job; a resend changes nothing."""
        _check_in_room(who, what.room)
        self._check_open()
        task = self._tasks.get(what.task)
        if task is None or "request" not in task.runs:
            right = ", ".join(name for name, each in self._tasks.items() if "request" in each.runs)
            raise Refused("unknown_task", f"there is no task {what.task!r} to ask for: one of {right} is right", "task")
        args = task.check(what.args)
        begin, keep = self._dispatch.begin(task.name, what.room), self._dispatch.keeps
        asked = self._accept(
            lambda c: ask(c, task, begin, who.person, what.room, what.key, args, time.time(), keep),
            self._asked,
            [begin],
        )
        if isinstance(asked, Refused):
            raise asked
        return {"job": jobs.view(as_accepted(asked.job)), **({"duplicate": True} if asked.duplicate else {})}

    def cancel(self, who: Client, what: Cancel) -> dict[str, Any]:
        """Cancel a job; a finished one is returned unchanged."""
        job = self._store.read(lambda connection: ledger.find(connection, what.job))
        if job is None or job.room not in who.rooms:
            raise Refused("not_found", "there is no such job in a room you are in", "job")
        return {"job": jobs.view(self._dispatch.cancel(job))}

    def typing(self, who: Client, what: Typing) -> dict[str, Any]:
        """Tell the others that somebody types, or stopped."""
        _check_in_room(who, what.room)
        self._audience.typing(what.room, who.person, what.on, but=who.sid)
        return {}

    def _accept(self, op: Callable[[Connection], T], then: Callable[[T], bool], begins: Iterable[Begin]) -> T:
        """Commit what starts jobs; places kept for jobs that do not start after all are given back."""

        def committed(value: T) -> None:
            started = False
            try:
                started = then(value)
            finally:
                if not started:
                    self._dispatch.give_back(begins)

        try:
            return self._store.write(op, then=committed, urgent=True)
        except Exception:
            self._dispatch.give_back(begins)  # nothing was committed, and nothing follows
            raise

    def _posted(self, posted: Posted | Refused) -> bool:
        """Right after the commit, in the order of commits: first the message, then its jobs; says whether they start."""
        if isinstance(posted, Refused) or posted.duplicate:
            return False
        message = posted.message
        self._waiting.wrote(message.room, message.sender_id, message.at)
        self._dispatch.metrics.messages.labels(message.kind).inc()
        self._audience.show(message)
        for job in posted.jobs:
            self._dispatch.accepted(job)
            self._dispatch.submit(job)
        return True

    def _asked(self, asked: Asked | Refused) -> bool:
        if isinstance(asked, Refused) or asked.duplicate:
            return False
        self._dispatch.accepted(asked.job)
        self._dispatch.submit(asked.job)
        return True

    def _check_open(self) -> None:
        if self._dispatch.draining:
            raise Refused("draining", "the server is restarting: send it again in a moment", retry_after=1.0)


def _check_in_room(who: Client, room: str) -> None:
    if room not in who.rooms:
        raise Refused("not_in_room", f"join room {room} first", "room")


def _catch_up(connection: Connection, room: str, after: int | None) -> dict[str, Any]:
    """What somebody who joins has missed: at most 500 messages, and the jobs they must know."""
    seq = messages.newest_seq(connection, room)
    reset = after is not None and after > seq
    known = None if reset else after
    found = (
        messages.before(connection, room, seq + 1, LAST)
        if known is None
        else messages.after(connection, room, known, MOST)
    )
    answer: dict[str, Any] = {"seq": seq, "messages": found}
    if known is not None and found and found[-1].seq < seq:
        answer["more"] = True
    if reset:
        answer["reset"] = True
    answer["jobs"] = ledger.for_join(connection, room, found, known)
    return answer
