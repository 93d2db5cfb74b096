"""Who is in a room, wherever they are connected: each process tells a room's owner who is there through it."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from app.backplane.backplane import Backplane
from app.contract import Person
from app.rooms import Room, Rooms

ANSWERS_SECONDS = 0.5  # in which all processes say who is in a room that has another owner
Pair = tuple[str, str]  # id and name


class Presence:
    """Tells owners about our people, and notes those of others in our rooms. On the loop."""

    def __init__(
        self, backplane: Backplane, loop: AbstractEventLoop, rooms: Rooms, tell_room: Callable[[Room], None]
    ) -> None:
        """`tell_room` tells a room of ours who came and went, soon."""
        self._backplane, self._loop, self._rooms, self._tell_room = backplane, loop, rooms, tell_room
        self.asked: Callable[[str], None] = lambda process: None  # it has lost us for a moment, and we it
        backplane.handle("people", self._take)
        backplane.handle("people?", self._take_question)
        backplane.handle("owner", self._take_owner)

    def tell(self, room: Room) -> None:
        """Who came to a room of another process, through us, and who went."""
        came, went = room.members.news()
        if room.owner and (came or went):
            self._backplane.send(room.owner, "people", room.name, False, _pairs(came), went)

    def tell_all(self, room: Room) -> None:
        """Everybody who is in a room of another process through us: it does not know, or may have missed something."""
        room.members.news()  # all of it is told
        if room.owner:
            self._backplane.send(room.owner, "people", room.name, True, _pairs(room.members.everybody()), [])

    def tell_all_of(self, process: str | None = None) -> None:
        """The same for every room of this process, or of every other."""
        for room in self._rooms:
            if room.listeners and not room.ours and process in (None, room.owner):
                self.tell_all(room)

    def ask(self, room: Room) -> None:
        """The room is ours now: who is there? Those whom its last owner told are taken to be, until all have answered."""
        supposed, room.told = list(room.told.values()), {}
        for person in supposed:
            room.members.suppose(person)
        self._backplane.tell("owner", room.name, room.epoch)
        if supposed:
            self._loop.call_later(ANSWERS_SECONDS, self._take_away, room, supposed)

    def _take_away(self, room: Room, supposed: list[Person]) -> None:
        for person in supposed:
            room.members.remove(person)
        if room.ours:
            self._tell_room(room)

    def ask_all(self, process: str) -> None:
        """What this process told of its people may be lost: once more, please."""
        self._backplane.send(process, "people?")

    def process_gone(self, process: str) -> None:
        """Nobody is here through it any more."""
        for room in self._rooms:
            here = room.others.pop(process, None)
            for person in (here or {}).values():
                room.members.remove(person)
            if here:
                self._tell_room(room)
                self._rooms.let_go(room)

    def _take(self, sender: str, name: str, whole: bool, came: list[Pair], went: list[str]) -> None:
        room = self._rooms.find(name)
        if room is None or not room.ours:
            return  # they will find out who owns it, and tell again
        here = room.others.setdefault(sender, {})
        people = [Person(*pair) for pair in came]
        if whole:
            went = list(here.keys() - {person.id for person in people})
        for id in went:
            if id in here:
                room.members.remove(here.pop(id))
        for person in people:
            if person.id in here:
                room.members.rename(here[person.id], person)
            else:
                room.members.add(person)
            here[person.id] = person
        if not here:
            del room.others[sender]
        self._tell_room(room)
        self._rooms.let_go(room)

    def _take_question(self, sender: str) -> None:
        self.tell_all_of(sender)
        self.asked(sender)

    def _take_owner(self, sender: str, name: str, epoch: int) -> None:
        room = self._rooms.find(name)
        if room is not None and not room.ours and epoch >= room.epoch:
            room.owner, room.epoch = sender, epoch
            if room.listeners:
                self.tell_all(room)


def _pairs(people: list[Person]) -> list[Any]:
    return [(person.id, person.name) for person in people]
