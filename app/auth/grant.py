"""What somebody may do, and until when."""

from __future__ import annotations

from typing import Literal

import msgspec

from app.contract import Person

Role = Literal["member", "staff", "operator", "service"]
ANSWERING = ("staff", "operator")  # the roles of those who answer people


class Grant(msgspec.Struct, frozen=True):
    """Who somebody is, the rooms they may enter, and their role.

    `rooms` are names, or patterns in which `*` stands for any run of characters. `expires` is in seconds since 1970;
    None never ends. `is_open`: nobody proved anything (AUTH=open).
    """

    person: Person
    rooms: tuple[str, ...]
    role: Role = "member"
    expires: float | None = None
    is_open: bool = False

    @property
    def answers_people(self) -> bool:
        """Whether they are of those who answer: they choose which tasks run in a room, and see drafts, which wait for a check."""
        return self.role in ANSWERING

    def may_enter(self, room: str) -> bool:
        """Whether this room is one of theirs."""
        return any(fits(room, pattern) for pattern in self.rooms)


def open_to(person: Person) -> Grant:
    """What AUTH=open gives to anybody who says this of themselves: everything."""
    return Grant(person, ("*",), "operator", is_open=True)


def fits(name: str, pattern: str) -> bool:
    """Whether the name is as the pattern has it; in time that grows with their lengths, however many `*` there are."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    at, end = len(first), len(name) - len(last)
    if at > end or not (name.startswith(first) and name.endswith(last)):
        return False
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
