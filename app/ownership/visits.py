"""Answering other processes, who ask for their clients: what they want in our rooms is done as for clients of our own."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from app.auth.grant import Grant
from app.backplane.backplane import Backplane
from app.chat.clients import Client
from app.contract import Person
from app.rooms import Room, Rooms
from app.store.errors import StoreUnavailable

log = structlog.get_logger()

REMEMBERED = 20_000  # questions, so that one that is asked again is not carried out again

Serve = Callable[..., Coroutine[Any, Any, bytes]]  # the room's name and values to an answer
Visit = Callable[[Client, bytes, bytes], None]


class Everywhere:
    """The rooms of a visitor: whoever asks for them has looked already."""

    def __contains__(self, room: object) -> bool:
        return True


class Asker:
    """Stands where a visitor's connection would: what is acknowledged goes to the process that asked."""

    closed = False

    def __init__(self, answer: Callable[[int, bytes], None], sid: str) -> None:
        self._answer, self.sid = answer, sid

    def ack(self, id: bytes, body: bytes) -> None:
        """The answer to the question of this number."""
        self._answer(int(id), body)

    def close(self) -> None:
        """It has sent too much at once: what is not answered is asked again."""


class Visits:
    """Takes questions about our rooms. On the loop."""

    def __init__(
        self,
        backplane: Backplane,
        loop: AbstractEventLoop,
        rooms: Rooms,
        find: Callable[[str], Coroutine[Any, Any, Room]],
        visit: Visit,
    ) -> None:
        """`find` gives a room with its owner; `visit` has an event of a visitor answered."""
        self._backplane, self._loop, self._rooms, self._find, self._visit = backplane, loop, rooms, find, visit
        self._answers: OrderedDict[tuple[str, int], bytes | None] = OrderedDict()  # None: on its way
        self._visitors: dict[tuple[str, str], Client] = {}
        self._serve: dict[str, Serve] = {}
        backplane.handle("event", self._take_event)

    def serve(self, kind: str, serve: Serve) -> None:
        """Answer questions of this kind with what this makes of room and values."""
        self._serve[kind] = serve

        def take(sender: str, number: int, room: str, *values: Any) -> None:
            if self._is_new(sender, number):
                self._loop.create_task(self._carry_out(kind, sender, number, room, values))

        self._backplane.handle(kind, take)

    def _is_new(self, sender: str, number: int) -> bool:
        known = self._answers.get((sender, number), b"")
        if known:
            self._backplane.send(sender, "answer", number, known)
        if known != b"":
            return False
        self._answers[sender, number] = None
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return True

    def _answered(self, sender: str, number: int, body: bytes) -> None:
        self._answers[sender, number] = body
        self._backplane.send(sender, "answer", number, body)

    def _moved(self, sender: str, number: int) -> None:
        self._answers.pop((sender, number), None)
        self._backplane.send(sender, "moved", number)

    async def _carry_out(self, kind: str, sender: str, number: int, name: str, values: tuple[Any, ...]) -> None:
        try:
            if not (await self._find(name)).ours:
                self._moved(sender, number)
                return
            self._answered(sender, number, await self._serve[kind](name, *values))
        except StoreUnavailable as error:  # it is asked again, and told `busy` in the end
            log.info("a question of another process cannot be answered yet", kind=kind, error=str(error))
            self._moved(sender, number)
        except Exception as error:  # the same
            self._answers.pop((sender, number), None)
            log.warning("a question of another process failed", kind=kind, error=repr(error))

    def _take_event(
        self, sender: str, number: int, name: str, sid: str, id: str, called: str, role: str, body: bytes
    ) -> None:
        """An event of somebody who is connected there."""
        if not self._is_new(sender, number):
            return
        room = self._rooms.find(name)
        if room is not None and room.ours:
            self._begin(sender, number, sid, Person(id, called), role, body)
        else:
            self._loop.create_task(self._find_then_begin(sender, number, name, sid, Person(id, called), role, body))

    async def _find_then_begin(
        self, sender: str, number: int, name: str, sid: str, person: Person, role: str, body: bytes
    ) -> None:
        try:
            room = await self._find(name)
        except StoreUnavailable as error:  # it is asked again, as above; and it may be found by whoever asks
            log.info("the owner of a room is not known yet", room=name, error=str(error))
            self._moved(sender, number)
            return
        if room.ours:
            self._begin(sender, number, sid, person, role, body)
        else:
            self._moved(sender, number)

    def _begin(self, sender: str, number: int, sid: str, person: Person, role: str, body: bytes) -> None:
        visitor = self._visitors.get((sender, sid))
        if visitor is None or visitor.person != person:
            asker = Asker(lambda number, body: self._answered(sender, number, body), sid)
            visitor = Client(asker, Grant(person, ("*",), role), "")  # type: ignore[arg-type]  # a role, as we sent it
            visitor.rooms, visitor.is_visitor = Everywhere(), True  # type: ignore[assignment]  # all that is asked of it
            self._visitors[sender, sid] = visitor
        self._visit(visitor, b"%d" % number, body)
        if visitor.waiting is None:
            self._visitors.pop((sender, sid), None)
