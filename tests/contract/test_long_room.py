"""Rooms with more messages than one answer holds."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import Site
from tests.guest import Guest

LINES = 510


def test_a_long_absence_is_made_up_for_in_steps(site: Site, guests: Callable[..., Guest], room: str) -> None:
    ann = guests(site.url, "Ann")
    ann.join(room)
    for number in range(LINES):
        ann.emit("message:send", {"room": room, "key": f"k{number}", "text": "and so on"})
    ann.saw("message:new", seq=LINES)

    ben = guests(site.url, "Ben")
    newest = ben.join(room)
    assert [m["seq"] for m in newest["messages"]] == list(range(LINES - 49, LINES + 1))
    assert "more" not in newest
    first = ben.join(room, after=0)
    assert (first["seq"], first["more"]) == (LINES, True)
    rest = ben.join(room, after=first["messages"][-1]["seq"])
    assert "more" not in rest
    assert [m["seq"] for m in [*first["messages"], *rest["messages"]]] == list(range(1, LINES + 1))
