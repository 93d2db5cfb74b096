"""What a request says in its query and its body, read as the contract has it."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import request

from app.payload import Refused, read

T = TypeVar("T")


def query(kind: type[T]) -> T:
    """The query of this request, whose numbers are text; raises Refused(bad_request) with the field."""
    return read(request.args.to_dict(), kind, strict=False)


def body() -> Any:
    """The JSON that this request brings; raises Refused(bad_request) where it brings none."""
    if not request.is_json:
        raise Refused("bad_request", "the body must be JSON, with content type application/json")
    return request.get_json()
