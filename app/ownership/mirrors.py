"""What the owners of rooms tell, to clients here: by `seq`, without a gap, whatever got lost on the way.

What was missed is read in the database, and what the owner tells meanwhile is held until then.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec
import structlog

from app.backplane.backplane import Backplane
from app.chat import reading
from app.chat.clients import Joined
from app.chat.post import with_link
from app.contract import MembersChanged
from app.effects import About
from app.jobs.job import view
from app.payload import Refused
from app.rooms import Room, Rooms, packet
from app.store.errors import StoreUnavailable
from app.store.store import Store

log = structlog.get_logger()

MAX_ENDED = 1000  # jobs of a room of which it is remembered that people here saw them end
MAX_HELD = 10_000  # events of a room; past that the newest are left to the next reading
AGAIN_SECONDS = 0.5  # until a room is read again that could not be

Show = Callable[[Room, bytes, str | None, Iterable[Any] | None], None]

MEMBERS = b'["room:members"'
_read_change = msgspec.json.Decoder(tuple[str, MembersChanged]).decode


class Mirrors:
    """Rooms of other processes, as clients here see them. On the loop."""

    def __init__(
        self,
        backplane: Backplane,
        loop: AbstractEventLoop,
        rooms: Rooms,
        store: Store,
        broadcast: Callable[[Iterable[Any], bytes], None],
        link: Callable[[str], str],
        introduce: Callable[[Room], Coroutine[Any, Any, Any]],
    ) -> None:
        """`broadcast` sends to connections, `link` makes a link to an upload, `introduce` tells the owner who is here."""
        self._backplane, self._loop, self._rooms, self._store = backplane, loop, rooms, store
        self._broadcast, self._link, self._introduce = broadcast, link, introduce
        # Of a task where it is one's: to everybody here who may see it, or to those of these connections.
        self.show: Show = lambda room, what, task, to: broadcast(room.listeners if to is None else to, what)
        backplane.handle("shown", self._take)

    def tell(self, room: Room, what: bytes, about: About, task: str | None = None) -> None:
        """Something of a room of ours, to the processes that somebody there is connected to; `task` is whose it is."""
        if room.others:
            self._backplane.send_to(room.others, "shown", room.name, room.epoch, about, what, task)

    def was_shown(self, room: Room, ended: Iterable[str]) -> None:
        """All people here have seen these jobs end."""
        for each in ended:
            _is_new(room, each)

    def missed(self, process: str | None = None) -> None:
        """Something of this process, or of any other, got lost: read what it may have been."""
        for room in self._rooms:
            if room.listeners and not room.ours and process in (None, room.owner):
                self.follow(room)

    def follow(self, room: Room) -> None:
        """From now on clients here see what happens in this room, and what they missed of it so far."""
        if room.held is None:
            room.held = []
            self._loop.create_task(self._follow(room))

    async def read(self, room: Room) -> None:
        """Show what was stored since what was last shown; raises StoreUnavailable."""
        continued = False
        while True:
            after = room.seq
            page = await self._store.read(lambda c, a=after, more=continued: reading.page(c, room.name, a, more))  # type: ignore[misc]
            for message in page.messages:
                if message.seq > room.seq:
                    room.seq = room.next_seq = message.seq
                    told = _without(room, lambda joined, seq=message.seq: joined.has_message(seq))  # type: ignore[misc]
                    self._broadcast(told, packet("message:new", with_link(message, self._link)))
            for job in page.jobs:
                over = f"{job.id}.{job.attempt}" if job.delivered else ""
                if not over or _is_new(room, over):
                    told = _without(room, lambda joined, over=over: joined.has_end(over))  # type: ignore[misc]
                    self.show(room, packet("job:update", view(job)), job.task, told)
            if not page.more:
                return
            continued = True

    async def _follow(self, room: Room) -> None:
        while not room.ours:
            try:
                await self._introduce(room)  # first, so that what is stored after we have read is told to us
                await self.read(room)
                break
            except (StoreUnavailable, Refused) as error:
                log.warning("what was missed of a room cannot be read yet", room=room.name, error=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
        held, room.held = room.held, None
        for told in held or ():
            self._show(room, *told)

    def _take(self, sender: str, name: str, epoch: int, about: About, what: bytes, task: str | None) -> None:
        room = self._rooms.find(name)
        if room is None or room.ours or epoch < room.epoch:
            return
        room.owner, room.epoch = sender, epoch
        if room.held is None:
            self._show(room, about, what, task)
        elif len(room.held) < MAX_HELD:
            room.held.append((about, what, task))

    def _show(self, room: Room, about: About, what: bytes, task: str | None) -> None:
        if room.ours:
            return  # it was read when it became so
        if isinstance(about, str):
            if _is_new(room, about):
                self.show(room, what, task, None)
            return
        if about > room.seq + 1:
            self.follow(room)
            if room.held is not None:
                room.held.append((about, what, task))
            return
        if about:
            if about <= room.seq:
                return  # read already
            room.seq = room.next_seq = about
        elif what.startswith(MEMBERS):
            _note(room, what)
        self.show(room, what, task, None)


def _without(room: Room, has_seen: Callable[[Joined], bool]) -> list[Any]:
    """The connections here of people who have not seen it when they joined."""
    connections = []
    for connection in room.listeners:
        joined = connection.who.joined.get(room.name)
        if joined is None or not has_seen(joined):
            connections.append(connection)
    return connections


def _is_new(room: Room, ended: str) -> bool:
    """Whether people here have not seen this job end; from now on they have."""
    if ended in room.ended:
        return False
    room.ended[ended] = None
    if len(room.ended) > MAX_ENDED:
        del room.ended[next(iter(room.ended))]
    return True


def _note(room: Room, what: bytes) -> None:
    """Remember who is here: whoever owns the room next must tell who of them is not any more."""
    _, change = _read_change(what)
    for id in change.left:
        room.told.pop(id, None)
    room.told |= {person.id: person for person in change.joined}
