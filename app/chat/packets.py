"""What python-socketio handles itself: packets with attachments, and packets that are no events. Both get an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from socketio.packet import BINARY_ACK, BINARY_EVENT, EVENT, Packet

from app.chat.desk import UNREADABLE_NAME
from app.payload import Refused

MAX_ATTACHMENTS = 4  # binary attachments of one event that we are ready to hold
RESERVED = ("connect", "disconnect")


class Json:
    """How python-socketio turns data into JSON and back: written by msgspec, read with NaN let through to be refused."""

    @staticmethod
    def dumps(data: Any, **_: Any) -> str:
        """The data as JSON without spaces."""
        return msgspec.json.encode(data).decode()

    @staticmethod
    def loads(text: str) -> Any:
        """The data, where the standard library understands more than JSON allows; what does not fit is refused later."""
        return json.loads(text)


class SafePacket(Packet):  # type: ignore[misc]  # python-socketio ships no types
    """A packet that can always be decoded: what makes no sense becomes an event that is refused like any other."""

    uses_binary_events = False  # we send JSON only, and need not look for bytes in everything we send
    json = Json

    def decode(self, encoded_packet: Any) -> int:
        """How many attachments follow; never raises."""
        try:
            attachments = int(super().decode(encoded_packet) or 0)
            sensible = self._is_sensible(attachments)
        except (ValueError, TypeError, RecursionError, AttributeError):
            sensible = False
        if not sensible:
            self.packet_type, self.data = EVENT, [UNREADABLE_NAME]
            return 0
        return attachments

    def _is_sensible(self, attachments: int) -> bool:
        if self.packet_type in (BINARY_EVENT, BINARY_ACK) and not 0 < attachments <= MAX_ATTACHMENTS:
            return False
        if self.packet_type not in (EVENT, BINARY_EVENT):
            return True
        return (
            isinstance(self.data, list)
            and bool(self.data)
            and isinstance(self.data[0], str)
            and self.data[0] not in RESERVED
        )


def refuse_the_rest(server: Any, why: Callable[[str, tuple[Any, ...]], Refused]) -> None:
    """Answer every event that reaches python-socketio's own handlers and has none; `why` gets its name and data."""
    server.on("*", lambda event, sid, *data: {"ok": False, "error": why(event, data).as_error()})
