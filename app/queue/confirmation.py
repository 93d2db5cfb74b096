"""What JetStream answers to a publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

CONFIRM_SECONDS = 5.0  # how long a publish waits for the broker's confirmation
TOO_LARGE = (10054, 10110)  # JetStream's err_code: the message is larger than the stream, or the server, takes

Confirmed = Callable[["Confirmation"], None]


class _ApiError(msgspec.Struct):
    """Why JetStream refused."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Confirmation(msgspec.Struct):
    """JetStream's answer to a publish: where the message is, or why it is not there."""

    stream: str = ""
    seq: int = 0
    error: _ApiError | None = None

    @property
    def verdict(self) -> Literal["stored", "full", "refused", "away"]:
        """Stored; full (it takes no more now); refused (it never will be taken); or away (no stream answers)."""
        if self.error is None:
            return "stored" if self.seq else "away"
        if self.error.err_code in TOO_LARGE:
            return "refused"
        return "full" if "maximum" in self.error.description or "insufficient" in self.error.description else "away"


read_confirmation = msgspec.json.Decoder(Confirmation).decode
