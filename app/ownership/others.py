"""The other web processes, as this one deals with them: the parts of this package put together.

There is one where several processes may share a database (PostgreSQL and NATS_URL); elsewhere every room is ours.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec
import structlog

from app.backplane.backplane import BEAT_SECONDS, Backplane
from app.backplane.spending import Spending
from app.backplane.survey import Survey
from app.chat.clients import Client
from app.contract import Person
from app.effects import Effects, Reply
from app.jobs.transitions import NOT_STORED
from app.loops import Loops
from app.ownership.elsewhere import Elsewhere
from app.ownership.mirrors import Mirrors
from app.ownership.owners import Owners
from app.ownership.presence import Presence
from app.ownership.processes import LOOK_SECONDS, Processes
from app.ownership.visits import Visit, Visits
from app.payload import Refused
from app.rooms import Room, Rooms
from app.store.store import Store

log = structlog.get_logger()


ANSWERS_SECONDS = 1.0  # that clients of a process that ends are given to be answered


class People(msgspec.Struct):
    """A page of the people in a room, how many there are, and the room's newest message."""

    members: list[Person]
    count: int
    more: bool
    seq: int


_encode, _read_people = msgspec.json.Encoder().encode, msgspec.json.Decoder(People).decode


class Others:
    """What the chat asks for where a room may be another process's. On the loop."""

    def __init__(
        self,
        backplane: Backplane,
        processes: Processes,
        store: Store,
        rooms: Rooms,
        loop: AbstractEventLoop,
        loops: Loops,
        resume: Callable[[list[str]], Coroutine[Any, Any, None]],
        lose: Callable[[Room], None],
        visit: Visit,
        broadcast: Callable[[Iterable[Any], bytes], None],
        tell_members: Callable[[Room], None],
        link: Callable[[str], str],
    ) -> None:
        self.backplane, self.processes, self._rooms, self._loop, self._loops = backplane, processes, rooms, loop, loops
        self.presence = Presence(backplane, loop, rooms, tell_members)
        self.mirrors = Mirrors(backplane, loop, rooms, store, broadcast, link, self.introduce)
        self.owners = Owners(store, rooms, processes, resume, lose, self.mirrors.read)
        self.elsewhere = Elsewhere(backplane, loop, loops, self.owners.room, self.owners.is_not)
        self.visits = Visits(backplane, loop, rooms, self.owners.room, visit)
        self.survey, self.spending = Survey(backplane, loop), Spending(backplane)
        self._broadcast = broadcast
        self._connect()

    def _connect(self) -> None:
        backplane, processes = self.backplane, self.processes
        self.owners.changed = self._owner_changed
        self.visits.serve("who", self._who)
        backplane.handle("typing", self._take_typing)
        backplane.handle("gone", self._take_gone)
        backplane.on_gap = self._lost_something
        backplane.on_connect = self._heard_again
        backplane.on_silent = self.presence.process_gone
        backplane.on_return = self.presence.ask_all
        self.presence.asked = self.mirrors.missed
        processes.on_arrival, processes.on_death = backplane.meet, self._died

    def owned(self) -> int:
        """How many rooms in memory are ours."""
        return sum(room.ours for room in self._rooms)

    async def start(self) -> None:
        """Be one of the processes: go on with what nobody does, and hear the others.

        Raises StoreUnavailable, or StoreRefused when there is one that hears nobody.
        """
        await self.processes.register()
        await self.processes.refuse_unheard()
        await self.owners.take_over()
        self._loops.every(LOOK_SECONDS, "processes", self.processes.look)
        self._loops.tick(BEAT_SECONDS, "beat", self._beat)
        self._loops.keep("backplane", self.backplane.connect)
        self._loops.every(1.0, "hearing", self.backplane.listen_again)

    @property
    def are_there(self) -> bool:
        """Whether there is another process."""
        return bool(self.processes.others)

    async def hand_over_rooms(self) -> None:
        """Give up the rooms in which nothing runs, so that others have them before our clients come to them."""
        self.processes.draining = True
        if self.are_there:
            await self.owners.release()
            await self.elsewhere.answered(ANSWERS_SECONDS)  # so that nobody waits in vain for what they have sent

    def hand_over(self, process: str, delivery: Any) -> bool:
        """Have a process take results of its jobs; no, when it is not there."""
        there = self.processes.lives(process) and not self.backplane.is_deaf()
        if there:
            self.backplane.send(process, "results", delivery.subject, delivery.reply, delivery.headers, delivery.data)
        return there

    def _beat(self) -> None:
        self.spending.tell()
        self.backplane.beat()

    async def leave(self) -> None:
        """End: what is left of our rooms is for others, at once."""
        await self.processes.leave()
        self.backplane.tell("gone")
        await self.backplane.close()

    # What the chat asks

    def forward(self, room: Room, client: Client, reply: Reply, body: bytes, again: Callable[[], None]) -> None:
        """Have the room's owner answer an event of our client; `again` answers it here, when the room is ours by then."""

        def answered(answer: bytes) -> None:
            reply.count("ok" if answer.startswith(b'{"ok":true') else _code(answer))
            if reply.id:
                client.connection.ack(reply.id, answer)

        def failed() -> None:
            effects = Effects()
            effects.refuse(reply, NOT_STORED)
            for each, refusal in effects.replies:
                each.connection.ack(each.id, refusal)

        person = client.person
        values = (client.sid, person.id, person.name, client.grant.role, body)
        self.elsewhere.ask(room, "event", values, answered, again, failed)

    async def introduce(self, room: Room) -> People | None:
        """Tell the owner who is in its room through us, and hear who is there; None when the room is ours by now."""
        self.presence.tell_all(room)
        return await self.people(room, None)

    async def people(self, room: Room, after: str | None) -> People | None:
        """Who is in another's room, those after an id; None when it is ours by now. Raises Refused(busy)."""
        done: Future[People | None] = self._loop.create_future()

        def answered(answer: bytes) -> None:
            people = _read_people(answer)
            if not room.ours:
                room.told |= {person.id: person for person in people.members}
            if len(room.listeners) == 1 and not room.ours and room.held is None:
                # Nobody has seen anything here yet: what is told from now on follows on this.
                room.seq = room.next_seq = max(room.seq, people.seq)
            if not done.done():
                done.set_result(people)

        self.elsewhere.ask(
            room, "who", (after,), answered,
            lambda: None if done.done() else done.set_result(None),
            lambda: None if done.done() else done.set_exception(Refused("busy", NOT_STORED.message, retry_after=1.0)),
        )  # fmt: skip
        return await done

    async def call(self, room: str, kind: str, *values: Any) -> bytes | None:
        """What the owner of this room answers, or None when it is ours; raises Refused(busy), or StoreUnavailable."""
        return await self.elsewhere.call(room, kind, *values)

    def was_shown(self, room: Room, ended: Iterable[str]) -> None:
        """Somebody who joined a room was shown these jobs as over; where they are alone here, nobody needs them again."""
        if not room.ours and len(room.listeners) == 1:
            self.mirrors.was_shown(room, ended)

    def tell_members(self, room: Room) -> None:
        """Tell the owner who came and went."""
        self.presence.tell(room)

    def typing(self, room: Room, what: bytes) -> None:
        """Somebody here types."""
        if not room.ours:
            self.backplane.send(room.owner, "typing", room.name, what)
        for process in room.others:
            self.backplane.send(process, "typing", room.name, what)

    def lacks(self) -> list[str]:
        """What it cannot do without and does not have: other processes hear it, and it hears them."""
        return ["backplane"] if self.are_there and self.backplane.is_deaf() else []

    # What happens to others

    def _owner_changed(self, room: Room) -> None:
        if room.ours:
            self.presence.ask(room)
            self._rooms.let_go(room)
        elif room.listeners:
            self.mirrors.follow(room)

    def _died(self, process: str) -> None:
        self.backplane.forget(process)
        self.presence.process_gone(process)
        if not self.processes.draining:
            self._loop.create_task(self._inherit(process))

    async def _inherit(self, process: str) -> None:
        await self.owners.inherit(process)
        self.elsewhere.process_gone(process)

    def _take_gone(self, sender: str) -> None:
        """It has left by itself."""
        if self.processes.known.pop(sender, None) is not None:
            self._died(sender)

    def _lost_something(self, process: str) -> None:
        log.warning("something of another process got lost: what it was is read in the database", process=process)
        self.mirrors.missed(process)
        self.presence.ask_all(process)

    def _heard_again(self) -> None:
        self.mirrors.missed()
        for process in self.processes.others:
            self.backplane.meet(process)
            self.presence.ask_all(process)

    async def _who(self, name: str, after: str | None) -> bytes:
        room = self._rooms[name]
        people, more = room.members.page(after)
        return _encode(People(people, room.members.count, more, room.seq))

    def _take_typing(self, sender: str, name: str, what: bytes) -> None:
        room = self._rooms.find(name)
        if room is None:
            return
        self._broadcast(room.listeners, what)
        if room.ours:
            for process in room.others:
                if process != sender:
                    self.backplane.send(process, "typing", name, what)


def _code(answer: bytes) -> str:
    try:
        return str(msgspec.json.decode(answer)["error"]["code"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return "internal"
