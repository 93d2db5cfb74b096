"""What the owners of rooms tell, to clients here: by `seq`, without a gap, whatever got lost on the way.

What was missed is read in the database, and what the owner tells meanwhile is held until then.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

from app.backplane.backplane import Backplane
from app.chat import reading
from app.chat.post import with_link
from app.jobs.job import view
from app.payload import Refused
from app.rooms import Room, Rooms, packet
from app.store.errors import StoreUnavailable
from app.store.store import Store

log = structlog.get_logger()

MAX_HELD = 10_000  # events of a room; past that the newest are left to the next reading
AGAIN_SECONDS = 0.5  # until a room is read again that could not be

Told = tuple[int, int, bytes]  # epoch, seq of a message or 0, packet


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
        backplane.handle("shown", self._take)

    def tell(self, room: Room, what: bytes, seq: int) -> None:
        """Something of a room of ours, to the processes that somebody there is connected to."""
        for process in room.others:
            self._backplane.send(process, "shown", room.name, room.epoch, seq, what)

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
                    self._broadcast(room.listeners, packet("message:new", with_link(message, self._link)))
            for job in page.jobs:
                self._broadcast(room.listeners, packet("job:update", view(job)))
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

    def _take(self, sender: str, name: str, epoch: int, seq: int, what: bytes) -> None:
        room = self._rooms.find(name)
        if room is None or room.ours or epoch < room.epoch:
            return
        room.owner, room.epoch = sender, epoch
        if room.held is None:
            self._show(room, epoch, seq, what)
        elif len(room.held) < MAX_HELD:
            room.held.append((epoch, seq, what))

    def _show(self, room: Room, epoch: int, seq: int, what: bytes) -> None:
        if room.ours or (seq and seq <= room.seq):
            return  # it was read already
        if seq > room.seq + 1:
            self.follow(room)
            if room.held is not None:
                room.held.append((epoch, seq, what))
            return
        if seq:
            room.seq = room.next_seq = seq
        self._broadcast(room.listeners, what)
