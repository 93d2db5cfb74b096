"""What the chat asks of the other web processes, where there may be some: app/ownership is the one there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from app.chat.clients import Client
from app.contract import Person
from app.effects import Reply
from app.rooms import Room


class Elsewhere(NamedTuple):
    """The room is another process's, which answers in our place."""

    room: Room


class People(Protocol):
    """A page of the people in a room, and how many there are."""

    @property
    def members(self) -> list[Person]: ...
    @property
    def count(self) -> int: ...


class Others(Protocol):
    """The other web processes."""

    def forward(self, room: Room, client: Client, reply: Reply, body: bytes, again: Callable[[], None]) -> None:
        """Have the room's owner answer an event of our client; `again` answers it here, when the room is ours by then."""

    async def introduce(self, room: Room) -> People | None:
        """Tell the owner who is in its room through us, and hear who is there; None when the room is ours by now."""

    def was_shown(self, room: Room, ended: Iterable[str]) -> None:
        """Somebody who joined a room was shown these jobs, each as JOB.ATTEMPT, as over."""

    def tell_members(self, room: Room) -> None:
        """Tell the owner who came and went."""

    def typing(self, room: Room, what: bytes) -> None:
        """Somebody here types."""

    async def call(self, room: str, kind: str, *values: Any) -> bytes | None:
        """What the owner of this room answers, or None when it is ours; raises Refused(busy), or StoreUnavailable."""
