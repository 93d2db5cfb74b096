"""What answers of all kinds share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Percent = Annotated[int, Meta(ge=0, le=100)]
FlagPath = Literal["simple", "queued", "auto"]


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A field that has nothing to say is left out."""


class ErrorView(Answer):
    """Why something is refused: rely on `code`; `message` is for people, `retry_after` is in seconds, and `job` is the ID
    of the one that is in the way.
    """

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None
    job: str | None = None


class FlagSet(Answer):
    """The path that a task takes, and for what share of rooms."""

    task: str
    path: FlagPath
    percent: Percent
