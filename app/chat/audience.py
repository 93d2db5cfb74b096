"""Telling the people in a room what happened. Whatever is emitted is emitted here, and only here is known to whom."""

from __future__ import annotations

from typing import Any

import socketio

from app import messages
from app.jobs import job as jobs
from app.jobs.job import Job
from app.messages import Link, Message, Person


class Audience:
    """Sends events to rooms; never waits."""

    def __init__(self, server: socketio.Server, link: Link) -> None:
        self._server, self._emit, self._link = server, server.emit, link

    def enter(self, sid: str, room: str) -> None:
        """From now on this connection gets what is sent to the room."""
        self._server.enter_room(sid, _address(room))

    def leave(self, sid: str, room: str) -> None:
        """From now on it does not."""
        self._server.leave_room(sid, _address(room))

    def show(self, shown: Job | Message) -> None:
        """`message:new` or `job:update`, to the room it belongs to."""
        if isinstance(shown, Message):
            self._emit("message:new", self.message(shown), to=_address(shown.room))
        else:
            self._emit("job:update", jobs.view(shown), to=_address(shown.room))

    def message(self, message: Message) -> dict[str, Any]:
        """A message as clients see it."""
        return messages.view(message, self._link)

    def members(self, room: str, members: list[dict[str, str]]) -> None:
        """Who is in the room now."""
        self._emit("room:members", {"room": room, "members": members}, to=_address(room))

    def typing(self, room: str, person: Person, on: bool, but: str) -> None:
        """Somebody types, or stopped; to everybody else in the room."""
        sender = {"id": person.id, "name": person.name}
        self._emit("typing", {"room": room, "sender": sender, "on": on}, to=_address(room), skip_sid=but)

    def flag_changed(self, flag: dict[str, Any]) -> None:
        """A flag changed; to everybody."""
        self._emit("flag:changed", flag)

    def draining(self, seconds: float) -> None:
        """The server stops within so many seconds; to everybody."""
        self._emit("server:draining", {"seconds": seconds})


def _address(room: str) -> str:
    """Socket.IO's room; not the bare name, for each connection is alone in a room named after its own sid."""
    return f"room:{room}"
