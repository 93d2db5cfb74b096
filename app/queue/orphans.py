"""Messages that are on a stream although their consumer is past them: the broker gives them to nobody any more.

nats-server 2.15.1 leaves some behind when its disk is full: it moves the consumer on, and can neither give the message
out nor remove it. Starting it again does not help (`make faults`, "disk full"): a job would stay open until its deadline.
"""

from __future__ import annotations

from typing import NamedTuple

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

MAX_AT_ONCE = 200  # of one consumer in one look


class Orphan(NamedTuple):
    """One such message, and where it is."""

    stream: str
    seq: int
    subject: str
    data: bytes
    server: int = 0


class Orphans:
    """Looks for them. What is seen once may be on its way off the stream: only what is there at two looks is given."""

    def __init__(self, broker: JetStreamContext) -> None:
        self._broker = broker
        self._seen: set[tuple[str, int]] = set()

    async def look(self, consumers: list[tuple[str, str, str]]) -> list[Orphan]:
        """Those of these consumers, given as stream, name and subjects; raises nats' errors and TimeoutError."""
        found = [orphan for each in consumers for orphan in await self._of(*each)]
        known, self._seen = self._seen, {(orphan.stream, orphan.seq) for orphan in found}
        return [orphan for orphan in found if (orphan.stream, orphan.seq) in known]

    async def _of(self, stream: str, consumer: str, subjects: str) -> list[Orphan]:
        floor = (await self._broker.consumer_info(stream, consumer)).ack_floor
        found: list[Orphan] = []
        seq = 1
        while floor is not None and floor.stream_seq and len(found) < MAX_AT_ONCE:
            try:
                message = await self._broker.get_msg(stream, seq=seq, subject=subjects, next=True)
            except NotFoundError:
                break
            if message.seq is None or message.seq > floor.stream_seq:
                break  # every message from here on is given, or will be
            found.append(Orphan(stream, message.seq, message.subject or "", message.data or b""))
            seq = message.seq + 1
        return found
