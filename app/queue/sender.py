"""What can be published by: one server, or whichever of several is there."""

from __future__ import annotations

from typing import Any, Protocol

from app.queue.confirmation import Confirmed
from app.queue.names import Names


class Sender(Protocol):
    """app/queue/connection.py is one, and app/queue/servers.py."""

    names: Names

    @property
    def connected(self) -> bool:
        """Whether anything can be sent at this moment."""

    def publish(
        self, subject: str, data: bytes, headers: bytes, confirmed: Confirmed, server: int | None = None
    ) -> Any:
        """Put a message on its stream; `confirmed` is called with the answer. Returns what `forget` takes.

        `server` is the one that is preferred, if it is there.
        """

    def forget(self, token: Any) -> None:
        """Wait for this confirmation no longer."""

    def has_another(self) -> bool:
        """Whether another server may take what one did not."""

    def tell(self, subject: bytes, payload: bytes, headers: bytes = b"") -> None:
        """Send what may get lost."""
