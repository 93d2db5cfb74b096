"""What clients can send, and what follows: plain functions of who and what.

An answer is a dict (what the ack adds to `ok: true`), an operation (acknowledged when it is committed), or a coroutine
that ends in one of both where something must be read first. A refusal is raised.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from app.auth.tokens import Tokens
from app.chat import reading
from app.chat.choices import Choices
from app.chat.clients import JOINING, Client, Joined
from app.chat.expiry import Expiry
from app.chat.intake import Intake
from app.chat.loading import Loading
from app.chat.others import Elsewhere, Others
from app.chat.post import with_link
from app.chat.waiting import Waiting
from app.contract import (
    Cancel,
    Create,
    History,
    JobView,
    Join,
    Leave,
    MessageView,
    MoreJobs,
    Renew,
    Retry,
    RoomRemoved,
    RoomTasks,
    Send,
    Typing,
    Who,
)
from app.effects import Effects
from app.jobs import ledger
from app.jobs.job import Job, view
from app.jobs.lifecycle import Lifecycle
from app.payload import Refused
from app.pieces import piece_packet
from app.rooms import Room, Rooms, packet
from app.store.operation import Operation
from app.store.store import Store
from app.uploads import Uploads

Found = dict[str, Any] | Operation | Elsewhere
Answer = Found | Coroutine[Any, Any, Found]

JOINED_SECONDS = 10.0  # longer than it takes until the rooms of a dead process have another owner
MEMBERS_SECONDS = 0.25  # who is here is told at most so often to a room


class Events:
    """Every event, and what answers it."""

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        loading: Loading,
        life: Lifecycle,
        intake: Intake,
        waiting: Waiting,
        publish: Callable[[Effects], None],
        broadcast: Callable[[Any, bytes], None],
        uploads: Uploads,
        loop: AbstractEventLoop,
        tokens: Tokens | None,
        expiry: Expiry,
        choices: Choices,
    ) -> None:
        self.others: Others | None = None  # where rooms may be those of other processes
        self._store, self._rooms, self._loading, self._life, self._intake = store, rooms, loading, life, intake
        self._waiting, self._publish, self._broadcast = waiting, publish, broadcast
        self._uploads, self._loop = uploads, loop
        self._tokens, self._expiry, self._choices = tokens, expiry, choices

    def table(self) -> dict[str, tuple[type[Any], Callable[[Client, Any], Answer]]]:
        """Each event's name, what its data must be, and the function that answers."""
        return {
            "room:join": (Join, self.join),
            "room:history": (History, self.history),
            "room:jobs": (MoreJobs, self.jobs),
            "room:who": (Who, self.who),
            "room:leave": (Leave, self.leave),
            "room:tasks": (RoomTasks, self.tasks),
            "message:send": (Send, self.send),
            "job:create": (Create, self.create),
            "job:cancel": (Cancel, self.cancel),
            "job:retry": (Retry, self.retry),
            "typing": (Typing, self.typing),
            "auth:renew": (Renew, self.renew),
        }

    def kinds(self) -> dict[str, type[Any]]:
        """Each event's name, and what its data must be."""
        return {name: kind for name, (kind, _) in self.table().items()}

    # Rooms

    async def join(self, who: Client, what: Join) -> dict[str, Any]:
        """Enter a room. Live events flow from before anything is read, so that nothing falls in between."""
        if not who.grant.may_enter(what.room):
            raise Refused("forbidden", f"your token has no room {what.room}", "room")
        room = await self._loading.room(what.room)
        room.let_in(who.connection)
        who.rooms.add(room.name)
        if who.connection.closed:  # it left while the room was loaded, and nobody would take it out again
            self.forget(who)
        self.tell_members(room)
        if self.others is None:
            return await self._shown(who, what, room)
        who.joined[room.name] = JOINING
        try:
            return await self._shown(who, what, room)
        finally:
            if who.joined.get(room.name) is JOINING:  # it did not work
                del who.joined[room.name]

    async def _shown(self, who: Client, what: Join, room: Room) -> dict[str, Any]:
        """What somebody is shown of a room who has just entered it."""
        continued = who.pages.pop(room.name, None) == what.after is not None
        people = await self.others.introduce(room) if self.others is not None and not room.ours else None
        unfinished = await self._unfinished(room)
        page = await self._read_page(room, what.after, continued)
        await self._store.committed()  # jobs in memory are shown as they are in the ledger
        theirs = {job.n: unfinished.get(job.n, job) for job in page.jobs}  # those in memory are newer
        if not continued:
            known = seq_of_last(page, what.after)
            theirs |= {n: job for n, job in unfinished.items() if job.message is None or job.message <= known}
        if self.others is not None:
            self._note_joined(who, room, page.seq, theirs.values())
        if page.more:
            who.pages[room.name] = page.messages[-1].seq
        more = {name: True for name in ("more", "more_jobs", "reset") if getattr(page, name)}
        if len(theirs) > reading.JOBS_PAGE:
            more["more_jobs"] = True
        return {
            "seq": page.seq,
            "messages": self._linked(page.messages),
            "jobs": self._views(who, [theirs[n] for n in sorted(theirs)][: reading.JOBS_PAGE]),
            "members": people.members if people is not None else room.members.page()[0],
            "member_count": people.count if people is not None else room.members.count,
            "upload_token": self._uploads.links.token(room.name, who.person.id),
            "wait": self._waiting.seconds(),
            **more,
        }

    def _note_joined(self, who: Client, room: Room, seq: int, jobs: Iterable[Job]) -> None:
        """Remember for a moment what they were shown: should the room change hands, they must not be shown it twice."""
        joined = Joined(seq, frozenset(f"{job.id}.{job.attempt}" for job in jobs if job.delivered))
        if self.others is not None:
            who.joined[room.name] = joined
            self.others.was_shown(room, joined.ended)
            self._loop.call_later(JOINED_SECONDS, who.joined.pop, room.name, None)

    async def _unfinished(self, room: Room) -> dict[int, Job]:
        if room.ours:
            return dict(room.jobs)
        found = await self._store.read(lambda connection: ledger.unfinished_of(connection, room.name))
        return {job.n: job for job in found}

    async def _read_page(self, room: Room, after: int | None, continued: bool) -> reading.Page:
        if after is None and room.ours and room.idle_so_far and not self._life.parked_jobs:
            return reading.Page(0, [], [])  # nothing was ever said or asked here
        texts = [name for name, task in self._life.tasks.items() if task.streams]
        return await self._store.read(lambda connection: reading.page(connection, room.name, after, continued, texts))

    async def history(self, who: Client, what: History) -> dict[str, Any]:
        """Older messages with their jobs."""
        _check_in_room(who, what.room)
        found, theirs, _ = await self._store.read(
            lambda connection: reading.older(connection, what.room, what.before, what.limit)
        )
        return {"messages": self._linked(found), "jobs": self._views(who, theirs)}

    async def jobs(self, who: Client, what: MoreJobs) -> dict[str, Any]:
        """The jobs that did not fit into the answer to a join."""
        _check_in_room(who, what.room)
        found = await self._store.read(lambda connection: reading.further_jobs(connection, what.room, what.after))
        if found is None:
            raise Refused("not_found", f"there is no job {what.after} in room {what.room}", "after")
        theirs, more = found
        return {"jobs": self._views(who, theirs), **({"more_jobs": True} if more else {})}

    def who(self, who: Client, what: Who) -> Answer:
        """The people in a room, those after an id."""
        _check_in_room(who, what.room)
        room = self._rooms[what.room]
        if not room.ours:
            return Elsewhere(room)
        here = room.members
        people, more = here.page(what.after)
        return {"members": people, "count": here.count, **({"more": True} if more else {})}

    def leave(self, who: Client, what: Leave) -> dict[str, Any]:
        """Leave a room."""
        _check_in_room(who, what.room)
        self._take_out(who, what.room)
        return {}

    def forget(self, who: Client) -> None:
        """A connection is gone: take it out of its rooms."""
        for name in list(who.rooms):
            self._take_out(who, name)

    def typing(self, who: Client, what: Typing) -> dict[str, Any]:
        """Tell the others that somebody types, or stopped."""
        _check_in_room(who, what.room)
        room = self._rooms[what.room]
        told = packet("typing", {"room": what.room, "sender": who.person, "on": what.on})
        self._broadcast([each for each in room.listeners if each is not who.connection], told)
        if self.others is not None:
            self.others.typing(room, told)
        return {}

    def tell_members(self, room: Room) -> None:
        """Tell a room who is here, soon and once for all who come and go meanwhile."""
        if not room.members_due:
            room.members_due = True
            self._loop.call_later(MEMBERS_SECONDS, self._tell_members, room)

    def _tell_members(self, room: Room) -> None:
        room.members_due = False
        if not room.ours and self.others is not None:
            self.others.tell_members(room)
            return
        changes = room.members.changes(room.name)
        if changes is not None and (room.listeners or room.others):
            effects = Effects()
            effects.show("room:members", room, changes)
            self._publish(effects)

    def _take_out(self, who: Client, name: str) -> None:
        who.rooms.discard(name)
        who.joined.pop(name, None)
        room = self._rooms.find(name)
        if room is not None and room.let_out(who.connection):
            self.tell_members(room)
            self._rooms.let_go(room)

    # Tokens

    async def renew(self, who: Client, what: Renew) -> dict[str, Any]:
        """Carry on with another token of the same person: its name, its rooms, its end."""
        if self._tokens is None:
            raise Refused("bad_request", "there are no tokens under AUTH=open", "token")
        grant = await self._tokens.grant(what.token)
        if grant.person.id != who.person.id:
            raise Refused("forbidden", "this token is another person's: sub must stay the same", "token")
        before = who.renew(grant)
        for name in list(who.rooms):
            if not grant.may_enter(name):
                self._take_out(who, name)
                who.connection.emit(packet("room:removed", RoomRemoved(name)))
            elif before != who.person:
                self._rooms[name].members.rename(before, who.person)
                self.tell_members(self._rooms[name])
        self._expiry.watch(who)
        return {"exp": grant.expires, "rooms": list(grant.rooms)}

    # Messages and jobs

    def send(self, who: Client, what: Send) -> Answer:
        """Store a message, show it to the room and start its jobs; a resend changes nothing."""
        _check_in_room(who, what.room)
        if what.draft is not None and not who.grant.answers_people:
            raise Refused("forbidden", "drafts are for those who answer: role staff or operator", "draft")
        self._check_open(who)
        room = self._rooms[what.room]
        if not room.ours:
            return Elsewhere(room)
        return self._intake.message(who.person, what, who.grant.role)

    def create(self, who: Client, what: Create) -> Answer:
        """Accept a job; a resend changes nothing."""
        _check_in_room(who, what.room)
        self._intake.check_draft(what.task, who.grant)
        self._check_open(who)
        room = self._rooms[what.room]
        if not room.ours:
            return Elsewhere(room)
        return self._intake.job(who.person, what)

    async def tasks(self, who: Client, what: RoomTasks) -> Found:
        """Which tasks run on a room's messages, with changes where they are given."""
        _check_in_room(who, what.room)
        if what.tasks is not None and not who.grant.answers_people:
            raise Refused("forbidden", "a room's tasks are chosen by those who answer: role staff or operator", "tasks")
        room = self._rooms[what.room]
        if not room.ours:
            return Elsewhere(room)
        if what.tasks is not None:
            await self._choices.change(room, what.tasks)
        return {"tasks": self._choices.of(room)}

    async def cancel(self, who: Client, what: Cancel) -> Found:
        """Cancel a job; a finished one is returned unchanged."""
        job = await self._job_of_a_room(who, what.job)
        room = self._rooms.find(job.room)
        if room is not None and not room.ours:
            return Elsewhere(room)
        return {"job": view(await self._intake.cancel(job))}

    async def retry(self, who: Client, what: Retry) -> Found:
        """Give a job that failed for good its attempts once more, for the person who asked for it."""
        self._check_open(who)
        job = await self._job_of_a_room(who, what.job)
        room = self._rooms.find(job.room)
        if room is not None and not room.ours:
            return Elsewhere(room)
        if job.sender_id != who.person.id:
            raise Refused("forbidden", "only the person who asked for a job can try it again", "job")
        if not job.dead:
            raise Refused("conflict", "only a job that failed for good, and is still kept, can be tried again", "job")
        self._intake.check_backlog(job.task, job.room)
        return {"job": view(await self._life.replay(job.id))}

    async def _job_of_a_room(self, who: Client, id: str) -> Job:
        job = await self._life.find(id)
        if job is None or job.room not in who.rooms or not self._may_see(who, job):
            raise Refused("not_found", "there is no such job in a room you are in", "job")
        return job

    def _may_see(self, who: Client, job: Job) -> bool:
        return who.grant.answers_people or not self._life.is_draft(job.task)

    def _views(self, who: Client, theirs: list[Job]) -> list[JobView]:
        """The jobs as this person may see them. What the running attempt wrote behind the text they are shown comes apart."""
        seen = [job for job in theirs if self._may_see(who, job)]
        for job in seen:
            piece = self._life.texts.unlike_shown(job)
            if piece is not None:
                who.connection.emit(piece_packet(self._rooms[job.room], piece))
        return [view(job) for job in seen]

    def _check_open(self, who: Client) -> None:
        """Another process asks only while the room is ours, and then has nobody else to ask."""
        if not who.is_visitor:
            self._intake.check_open()

    def _linked(self, found: list[MessageView]) -> list[MessageView]:
        return [with_link(message, self._life.link) for message in found]


def seq_of_last(page: reading.Page, after: int | None) -> int:
    """Up to which message a page has unfinished jobs: those of later messages come with theirs."""
    if page.more and after is not None:
        return after
    return max(page.seq, page.messages[-1].seq if page.messages else 0) + 2**31


def _check_in_room(who: Client, room: str) -> None:
    if room not in who.rooms:
        raise Refused("not_in_room", f"join room {room} first", "room")
