"""Who is in a room: each person once, however many connections they have."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from app.contract import MembersChanged, Person

PAGE = 200  # people in one answer
MAX_NAMED = 50  # people in one event; past that it tells only how many are here


class Members:
    """The people of one room, in the order of their ids."""

    __slots__ = ("_changed", "_connections", "_ids", "_people")

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._connections: dict[str, int] = {}
        self._ids: list[str] = []
        self._changed: dict[str, Person | None] = {}  # by id, what the room was told before; None: not here

    @property
    def count(self) -> int:
        """How many people are here."""
        return len(self._ids)

    def add(self, person: Person) -> None:
        """One more connection of this person, who from now on is called as it says."""
        self._note(person.id)
        if person.id not in self._people:
            insort(self._ids, person.id)
        self._people[person.id] = person
        self._connections[person.id] = self._connections.get(person.id, 0) + 1

    def suppose(self, person: Person) -> None:
        """One connection of this person that the room knows of already: there is nothing to tell."""
        is_news = person.id in self._changed
        self.add(person)
        if not is_news:
            del self._changed[person.id]

    def remove(self, person: Person) -> None:
        """One connection of this person less."""
        self._connections[person.id] -= 1
        if not self._connections[person.id]:
            self._note(person.id)
            del self._connections[person.id], self._people[person.id]
            del self._ids[bisect_left(self._ids, person.id)]

    def rename(self, before: Person, after: Person) -> None:
        """One connection of this person goes on under another name."""
        self.remove(before)
        self.add(after)

    def page(self, after: str | None = None) -> tuple[list[Person], bool]:
        """The first people whose id comes after this one, and whether there are more."""
        start = bisect_right(self._ids, after) if after is not None else 0
        return [self._people[id] for id in self._ids[start : start + PAGE]], len(self._ids) > start + PAGE

    def everybody(self) -> list[Person]:
        """All who are here."""
        return list(self._people.values())

    def news(self) -> tuple[list[Person], list[str]]:
        """Who came, or has another name, and the ids of those who went, since this was last asked."""
        before, self._changed = self._changed, {}
        joined = [self._people[id] for id, told in before.items() if self._people.get(id, told) != told]
        return joined, [id for id, told in before.items() if told is not None and id not in self._people]

    def changes(self, room: str) -> MembersChanged | None:
        """What the room has not been told yet; None when nobody came, went, or has another name."""
        joined, left = self.news()
        if not joined and not left:
            return None
        if len(joined) + len(left) > MAX_NAMED:
            joined, left = [], []
        return MembersChanged(room, joined, left, self.count)

    def _note(self, id: str) -> None:
        if id not in self._changed:
            self._changed[id] = self._people.get(id)
