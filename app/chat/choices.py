"""Which tasks run on the messages of a room: its people choose, and where they have not, the declaration does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import Connection, insert, select, update

from app.contract import TasksChosen
from app.effects import Effects
from app.payload import Refused
from app.rooms import Room
from app.store.schema import rooms
from app.store.store import Store
from app.tasks import Task, of_a_room


class Choices:
    """Knows what is chosen in rooms of ours, and changes it. On the loop."""

    def __init__(self, store: Store, tasks: Mapping[str, Task], publish: Callable[[Effects], None]) -> None:
        self._store, self._publish = store, publish
        self._declared, self._changing = of_a_room(tasks), asyncio.Lock()

    def of(self, room: Room) -> dict[str, bool]:
        """Every task among which a room chooses, and whether it runs there."""
        return {name: room.chosen.get(name, on) for name, on in self._declared.items()}

    async def change(self, room: Room, changes: dict[str, bool]) -> None:
        """Switch these on or off from now on, and tell the room; raises Refused."""
        for name in changes:
            if name not in self._declared:
                known = ", ".join(self._declared)
                why = f"no task {name!r} runs on messages: expected some of {known}"
                raise Refused("unknown_task", why, f"tasks.{name}"[:100])
        if not changes:
            return
        async with self._changing:  # two at a time would forget what one of them chose
            chosen = {**room.chosen, **changes}
            if not await self._store.change(lambda connection: keep(connection, room.name, room.epoch, chosen)):
                raise Refused("busy", "the room has another owner now: try again", retry_after=1.0)
            room.chosen = chosen
        effects = Effects()
        effects.show("room:tasks", room, TasksChosen(room.name, self.of(room)))
        self._publish(effects)


def keep(connection: Connection, room: str, epoch: int, chosen: dict[str, bool]) -> bool:
    """Write what is chosen in a room; False when it has changed hands."""
    values = {"tasks": msgspec.json.encode(chosen).decode()}
    same = (rooms.c.name == room) & (rooms.c.epoch == epoch)
    if connection.execute(update(rooms).where(same).values(values)).rowcount:
        return True
    if connection.execute(select(rooms.c.name).where(rooms.c.name == room)).first():
        return False
    connection.execute(insert(rooms).values(name=room, seq=0, **values))
    return True
