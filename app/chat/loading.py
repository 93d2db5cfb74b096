"""Bringing into memory what the database has of a room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from app.chat import reading
from app.jobs import ledger
from app.rooms import Room, Rooms
from app.store.store import Store


class Loading:
    """Rooms that are not in memory, and what was written in them."""

    def __init__(self, store: Store, rooms: Rooms) -> None:
        self._store, self._rooms = store, rooms
        self.owned: Callable[[str], Awaitable[Room]] | None = (
            None  # gives a room with its owner, where there are several
        )

    async def room(self, name: str) -> Room:
        """The room, counting from where it is in the database; raises StoreUnavailable.

        Where there are several web processes it may be another's.
        """
        if self.owned is not None:
            return await self.owned(name)
        found = self._rooms.find(name)
        if found is None:
            await self.all_of({name})
            found = self._rooms[name]
        return found

    async def all_of(self, names: Iterable[str]) -> None:
        """Load all of these rooms in one reading; raises StoreUnavailable."""
        found = await self._store.read(lambda connection: reading.rooms_as_kept(connection, names))
        for name, kept in found.items():
            self._rooms.take_up(name, *kept)

    async def nothing(self, names: Iterable[str]) -> None:
        """These are loaded already."""

    async def is_answered(self, room: str, seq: int, asker: str | None, by_anybody: bool) -> bool:
        """Whether somebody else has written since message `seq`, as far as it is stored: see reading.is_answered."""
        await self._store.settled()
        return await self._store.read(lambda found: reading.is_answered(found, room, seq, asker, by_anybody))

    async def delayed_of(self, room: str, sender: str) -> int:
        """How many jobs of this person wait for their time in the room; raises StoreUnavailable."""
        return await self._store.read(lambda connection: ledger.delayed_of(connection, room, sender))

    async def has_key(self, room: str, sender: str, key: str) -> bool:
        """Whether this person has asked for a job under this key; raises StoreUnavailable."""
        await self._store.settled()
        return await self._store.read(lambda connection: ledger.has_key(connection, room, sender, key))

    async def history(self, room: str, limit: int) -> list[dict[str, str]]:
        """What people wrote last, what is being stored at this moment included; raises StoreUnavailable."""
        await self._store.settled()
        return await self._store.read(lambda connection: reading.history(connection, room, limit))
