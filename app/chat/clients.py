"""Who is connected: a connection does not outlive its process, so this is kept in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from app.auth.grant import Grant
from app.contract import Person


class Joined(NamedTuple):
    """What somebody was shown of a room when they joined it: up to this message, and these jobs as over."""

    seq: int
    ended: frozenset[str]
    is_over: bool = True  # else they are about to be shown everything there is

    def has_message(self, seq: int) -> bool:
        """Whether they have seen this message, or are about to."""
        return not self.is_over or seq <= self.seq

    def has_end(self, job: str) -> bool:
        """Whether they have seen this job end, or are about to."""
        return not self.is_over or job in self.ended


JOINING = Joined(0, frozenset(), is_over=False)


class Client:
    """One connection of a person; somebody with two tabs has two."""

    __slots__ = ("address", "connection", "grant", "is_visitor", "joined", "pages", "person", "rooms", "waiting")

    def __init__(self, connection: Any, grant: Grant, address: str) -> None:
        self.connection, self.address = connection, address
        self.grant, self.person = grant, grant.person
        self.is_visitor = False  # connected to another process, which asks for them
        self.rooms: set[str] = set()
        self.joined: dict[str, Joined] = {}  # by room, where it may be another process's
        self.pages: dict[str, int] = {}  # by room: the message with which its last page ended, where there are more
        self.waiting: deque[tuple[bytes, bytes]] | None = None  # events behind one that is still being answered

    def renew(self, grant: Grant) -> Person:
        """Go on with this; returns who they were called before."""
        before = self.person
        self.grant, self.person = grant, grant.person
        return before

    def put_behind(self, events: Iterable[tuple[bytes, bytes]]) -> bool:
        """Keep these behind the event that is being answered; False when none is."""
        if self.waiting is None:
            return False
        self.waiting.extend(events)
        return True

    @property
    def sid(self) -> str:
        """The connection's Socket.IO sid."""
        return str(self.connection.sid)
