"""Whose each room is: it becomes ours where nobody who lives has it, and what the dead leave is taken over."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable, Container, Coroutine, Iterable
from typing import Any

import structlog

from app.chat import reading
from app.chat.reading import RoomAsKept
from app.ownership import claims
from app.ownership.claims import Claim
from app.ownership.processes import Processes
from app.rooms import Room, Rooms
from app.store.errors import StoreUnavailable
from app.store.store import Store

log = structlog.get_logger()

AGAIN_SECONDS = 0.5  # until rooms are tried again that could not be taken over


class Owners:
    """Knows the owner of each room in memory, and finds that of others. On the loop."""

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        processes: Processes,
        resume: Callable[[list[str]], Coroutine[Any, Any, None]],
        lose: Callable[[Room], None],
        catch_up: Callable[[Room], Coroutine[Any, Any, None]],
    ) -> None:
        """`resume` takes up the unfinished jobs of rooms, `lose` forgets those of one, `catch_up` shows what was missed."""
        self._store, self._rooms, self._processes = store, rooms, processes
        self._resume, self._lose, self._catch_up = resume, lose, catch_up
        self._finding: dict[str, Future[None]] = {}
        self.taken_over = 0  # rooms of other processes in which something was unfinished
        self.changed: Callable[[Room], None] = lambda room: None  # it has another owner, which may be us
        processes.on_burial = self.start_anew

    async def room(self, name: str) -> Room:
        """The room, with an owner who lives as far as is known; raises StoreUnavailable."""
        room = self._rooms.find(name)
        if room is not None and (room.ours or self._processes.lives(room.owner)):
            return room
        while True:
            if name not in self._finding:
                self._finding[name] = asyncio.ensure_future(self._find(name))
            await asyncio.shield(self._finding[name])
            room = self._rooms.find(name)
            if room is not None:  # else it was lost again, and let go, before anybody was in it
                return room

    async def _find(self, name: str) -> None:
        try:
            await self._settle_owners([name])
        finally:
            del self._finding[name]

    def is_not(self, name: str, process: str) -> None:
        """This process says that the room is not its: the database is asked again."""
        room = self._rooms.find(name)
        if room is not None and not room.ours and room.owner == process:
            room.owner = ""

    async def find_all(self, names: Iterable[str]) -> None:
        """As `room`, for many at once."""
        wanted = [name for name in names if (room := self._rooms.find(name)) is None or not room.ours]
        if wanted:
            await self._settle_owners(wanted)

    async def take_over(self) -> None:
        """Go on with what is unfinished in rooms that nobody has; raises StoreUnavailable."""
        names = await self._store.change(lambda connection: claims.take_over(connection, self._processes.me))
        if names:
            self.taken_over += len(names)
            log.info("took over rooms in which something is unfinished", rooms=len(names))
            await self._settle_owners(names, taken=names)

    async def inherit(self, process: str) -> None:
        """A process is gone: its rooms that somebody is in, or in which something is unfinished, have another owner."""
        while True:
            try:
                left = [room.name for room in self._rooms if room.owner == process and not room.ours]
                await self.take_over()
                await self.find_all(left)
                return
            except StoreUnavailable as error:
                log.warning("rooms cannot be taken over yet", of=process, error=str(error))
                await asyncio.sleep(AGAIN_SECONDS)

    async def start_anew(self) -> None:
        """Others took this process for dead and have its rooms: it forgets what it knew of them, and is one of many again."""
        self._store.writer.fence = ("", 0.0)  # what is on its way must fail, also once we are registered again
        for room in self._rooms:
            if room.ours:
                self._give_up(room)
        await self._store.settled()
        await self._processes.register()
        await self.take_over()
        await self.find_all([room.name for room in self._rooms if room.listeners])

    async def release(self) -> None:
        """Give up every room in which nothing is unfinished, before this process ends."""
        while not self._store.writer.is_idle:
            await self._store.settled()
        mine = [room for room in self._rooms if room.ours and not room.jobs and not room.lines]
        for room in mine:
            self._give_up(room)
        names = [room.name for room in mine]
        await self._store.change(lambda connection: claims.release(connection, names, self._processes.me))

    def _give_up(self, room: Room) -> None:
        self._lose(room)
        room.ours, room.owner, room.next_seq = False, "", room.seq
        room.told = {person.id: person for person in room.members.everybody()}
        for here in room.others.values():
            for person in here.values():
                room.members.remove(person)
        room.others.clear()
        self._rooms.let_go(room)

    async def _settle_owners(self, names: list[str], taken: Container[str] = ()) -> None:
        me, may_take = self._processes.me, not self._processes.draining
        found = await self._store.change(lambda connection: claims.claim(connection, names, me, may_take))
        if len(found) < len(names):
            raise StoreUnavailable("a room is being handed over")
        kept = await self._store.read(lambda connection: reading.rooms_as_kept(connection, names))
        ours = [name for name, claim in found.items() if claim.owner == me and not self._is_ours(name)]
        for name in ours:
            await self._prepare(name, kept[name])
        for name in found.keys() - ours:
            self._follow(name, found[name], kept[name])
        # In a room that nobody had before there is nothing to go on with.
        again = [name for name in ours if name in taken or not found[name].is_new or found[name].epoch > 1]
        if again:
            await self._resume(again)
        for name in ours:  # only now: what comes from here on is behind what was taken up
            room = self._rooms.find(name) or self._rooms.take_up(name, *kept[name])
            room.ours, room.owner, room.epoch = True, me, found[name].epoch
            self.changed(room)

    async def _prepare(self, name: str, kept: RoomAsKept) -> None:
        room = self._rooms.find(name)
        if room is None:
            room = self._rooms.take_up(name, *kept)
            room.ours = False
        elif room.listeners:
            await self._catch_up(room)  # people here must see what its last owner could not tell them
        room.seq = room.next_seq = max(room.seq, kept.seq)
        room.chosen = kept.chosen

    def _follow(self, name: str, claim: Claim, kept: RoomAsKept) -> None:
        if claim.owner == self._processes.me:
            return
        room = self._rooms.find(name) or self._rooms.take_up(name, *kept)
        room.ours, room.owner, room.epoch = False, claim.owner, claim.epoch
        self.changed(room)

    def _is_ours(self, name: str) -> bool:
        room = self._rooms.find(name)
        return room is not None and room.ours
