"""What the query of a request says, read as the contract has it."""

from __future__ import annotations

from typing import TypeVar

from flask import request

from app.payload import read

T = TypeVar("T")


def query(kind: type[T]) -> T:
    """The query of this request, whose numbers are text; raises Refused(bad_request) with the field."""
    return read(request.args.to_dict(), kind, strict=False)
