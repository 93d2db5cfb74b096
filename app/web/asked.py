"""What requests name, read as the contract has it."""

from __future__ import annotations

from app.payload import Refused, RoomName, read


def room_name(given: str | None) -> str:
    """The name of a room; raises Refused(bad_request) with `field` room."""
    try:
        return read(given, RoomName)
    except Refused as error:
        raise Refused("bad_request", error.message, "room") from None
