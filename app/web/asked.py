"""What the query of a request says, read as the contract has it."""

from __future__ import annotations

from flask import request

from app.payload import Refused


def whole_number(name: str, low: int, high: int, default: int) -> int:
    """The query's number of this name, or the default; raises Refused(bad_request) when it is not within the bounds."""
    given = request.args.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= len(str(high)) and low <= int(given) <= high):
        raise Refused("bad_request", f"{name} is a whole number from {low} to {high}", name)
    return int(given)
