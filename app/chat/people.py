"""Who is connected, and in which rooms. Kept in memory: a connection does not outlive its process."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.messages import Person


@dataclass(eq=False)
class Client:
    """One connection of a person; somebody with two tabs has two."""

    sid: str
    person: Person
    address: str
    rooms: set[str] = field(default_factory=set)


class People:
    """All connections of this process."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._rooms: dict[str, dict[str, Client]] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def connected(self, client: Client) -> None:
        """Somebody came."""
        self._clients[client.sid] = client

    def find(self, sid: str) -> Client | None:
        """The connection, or None when it is gone."""
        return self._clients.get(sid)

    def disconnected(self, sid: str) -> Client | None:
        """Somebody left; returns who, still knowing their rooms."""
        client = self._clients.pop(sid, None)
        for room in client.rooms if client else ():
            self._remove(room, sid)
        return client

    def join(self, client: Client, room: str) -> bool:
        """Put a connection into a room; says whether that changes who is seen there."""
        before = self.members(room)
        client.rooms.add(room)
        self._rooms.setdefault(room, {})[client.sid] = client
        return self.members(room) != before

    def leave(self, client: Client, room: str) -> None:
        """Take a connection out of a room."""
        client.rooms.discard(room)
        self._remove(room, client.sid)

    def members(self, room: str) -> list[dict[str, str]]:
        """Everybody in the room once, in the order of arrival, as `{id, name}`."""
        people = {client.person.id: client.person for client in self._rooms.get(room, {}).values()}
        return [{"id": person.id, "name": person.name} for person in people.values()]

    def _remove(self, room: str, sid: str) -> None:
        here = self._rooms.get(room, {})
        here.pop(sid, None)
        if not here:
            self._rooms.pop(room, None)
