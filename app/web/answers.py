"""Answers made of the contract's types."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response


def json(data: Any) -> Response:
    """The data as an answer of JSON."""
    return Response(msgspec.json.encode(data), content_type="application/json")
