"""The rooms this process holds: how far each has counted, who listens, and which of its jobs are unfinished."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from app.contract import Person
from app.jobs.job import Job
from app.jobs.line import Line
from app.members import Members
from app.task import Task

MAX_IDLE_ROOMS = 10_000  # rooms remembered in which nobody is and nothing runs


class Room:
    """One room in memory; `seq` is that of its newest stored message, `next_seq` counts what is being stored.

    Where there are several web processes it may be another's: then `listeners` and `members` are those of this process,
    `seq` is what they were shown, and what happens in it is decided and told by its owner.
    """

    __slots__ = (
        *(
            "chosen",
            "ended",
            "epoch",
            "held",
            "holders",
            "jobs",
            "lines",
            "listeners",
            "members",
            "members_due",
            "name",
            "newest",
            "next_seq",
        ),
        *("others", "ours", "owner", "seq", "told"),
    )

    def __init__(self, name: str, seq: int) -> None:
        self.name, self.seq, self.next_seq = name, seq, seq
        self.chosen: dict[str, bool] = {}  # the tasks that its people switched on or off
        self.ours, self.owner, self.epoch = True, "", 0  # which process it is, and how often that has changed
        self.others: dict[str, dict[str, Person]] = {}  # people here by id, at each other process; of a room of ours
        self.ended: dict[str, None] = {}  # jobs of another process's room that people here saw end, the newest last
        self.told: dict[str, Person] = {}  # who is here by id, as the owner of another process's room told it
        self.held: list[Any] | None = None  # what the owner told while this process reads what it missed
        self.listeners: dict[Any, None] = {}  # connections, in the order in which they came
        self.members = Members()  # who is behind them
        self.members_due = False  # who is here is about to be told
        self.jobs: dict[int, Job] = {}  # unfinished, by their place in the order of acceptance; not the parked ones
        self.lines: dict[str, Line] = {}  # of ordered tasks
        self.newest: dict[str, Job] = {}  # the job asked for last, by task, where two must not run at once
        self.holders = 0  # requests from outside that are about to change something here

    def let_in(self, connection: Any) -> None:
        """From now on this connection hears what happens here; in vain when it does already."""
        if connection not in self.listeners:
            self.listeners[connection] = None
            self.members.add(connection.who.person)

    def let_out(self, connection: Any) -> bool:
        """It hears nothing more; False when it did not."""
        if connection not in self.listeners:
            return False
        del self.listeners[connection]
        self.members.remove(connection.who.person)
        return True

    def runs(self, task: Task) -> bool:
        """Whether this task runs on the room's messages, if it runs on messages at all."""
        return self.chosen.get(task.name, task.on)

    @property
    def idle(self) -> bool:
        """Whether it can be forgotten: everything about it is in the database."""
        in_use = self.listeners or self.others or self.jobs or self.lines or self.holders
        return not in_use and self.seq == self.next_seq

    @property
    def idle_so_far(self) -> bool:
        """Whether nothing was ever said here."""
        return self.seq == self.next_seq == 0

    def line(self, task: str) -> Line:
        """The line of an ordered task."""
        if task not in self.lines:
            self.lines[task] = Line()
        return self.lines[task]


class Rooms:
    """All rooms in memory. One that is not there must be loaded (see app/chat/reading.py) before it is used."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()

    def __getitem__(self, name: str) -> Room:
        return self._rooms[name]

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def find(self, name: str) -> Room | None:
        """The room, or None when it is not in memory."""
        return self._rooms.get(name)

    def take_up(self, name: str, seq: int, chosen: dict[str, bool] | None = None) -> Room:
        """The room, with this newest seq and these tasks switched on or off where it was not in memory."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name, seq)
            room.chosen = chosen or {}
        return room

    def let_go(self, room: Room) -> None:
        """Forget the room some time, if nothing happens in it any more."""
        if not room.idle:
            return
        if not room.ours:  # what is kept here of it would soon be old
            if self._rooms.get(room.name) is room:
                del self._rooms[room.name]
            return
        self._idle[room.name] = None
        self._idle.move_to_end(room.name)
        while len(self._idle) > MAX_IDLE_ROOMS:
            name, _ = self._idle.popitem(last=False)
            old = self._rooms.get(name)
            if old is not None and old.idle:
                del self._rooms[name]

    @contextmanager
    def hold(self, room: Room) -> Iterator[None]:
        """Keep the room in memory meanwhile, though nobody may be in it."""
        room.holders += 1
        try:
            yield
        finally:
            room.holders -= 1
            self.let_go(room)


def packet(event: str, data: Any) -> bytes:
    """An event as it goes over the wire: a JSON array of its name and data."""
    return b'["%b",%b]' % (event.encode(), msgspec.json.encode(data))
