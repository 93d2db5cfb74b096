"""What requests name, read as the contract has it."""

from __future__ import annotations

from typing import TypeVar

from flask import request

from app.payload import Refused, RoomName, read

T = TypeVar("T")


def room_name(given: str | None) -> str:
    """The name of a room; raises Refused(bad_request) with `field` room."""
    try:
        return read(given, RoomName)
    except Refused as error:
        raise Refused("bad_request", error.message, "room") from None


def query(kind: type[T]) -> T:
    """The query of this request, whose numbers are text; raises Refused(bad_request) with the field."""
    return read(request.args.to_dict(), kind, strict=False)
