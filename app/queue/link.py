"""The quick lane past nats-py: it keeps connection, TLS, credentials, reconnects and pings; messages go by here.

nats-py takes 270 + 301 us of CPU a job in web process and worker (a task, a future, a timer and a header object for each
message); past it, on the same connection, it is 104 + 30 (docs/adr/0004). In: whole messages are cut out of what was
received and handed to plain functions. Out: what is sent in one loop round is one write. This file alone touches
nats-py's private names; requirements.in pins its version, and tests/queue/test_link.py fails when they move.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

log = structlog.get_logger()

# Gets subject, reply subject, headers as they came (empty: none) and payload; must not wait, and must not raise.
Handler = Callable[[bytes, bytes, bytes, bytes], None]


class QuickParser(Parser):
    """Hands whole messages of our subscriptions to their handlers; everything else is left to nats-py's own parser."""

    def __init__(self, client: Client, handlers: dict[bytes, Handler]) -> None:
        super().__init__(client)
        self._handlers = handlers

    async def parse(self, data: bytes = b"") -> None:
        """Take what was received; called by nats-py's reading task."""
        if self.state != AWAITING_CONTROL_LINE:  # in the middle of a message of nats-py's own
            await super().parse(data)
            if self.state != AWAITING_CONTROL_LINE:
                return
            data = b""
        if self.buf:
            data = bytes(self.buf) + data
            self.buf = bytearray()
        at = 0
        while at < len(data):
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            kind = data[at]
            if kind in b"MH":
                taken = self._message(data, at, end)
                if taken == 0:
                    break  # not all of it is there
                if taken > 0:
                    at = taken
                    continue
                end = -taken - 2  # nobody's of ours: nats-py gets it whole
            await super().parse(data[at : end + 2])
            at = end + 2
        if at < len(data):
            self.buf = bytearray(data[at:])

    def _message(self, data: bytes, at: int, end: int) -> int:
        """Hand over the message whose first line is here; returns where it ends, minus that when it is not ours, or 0."""
        words = data[at:end].split()
        body = end + 2
        after = body + int(words[-1]) + 2
        if len(data) < after:
            return 0
        handler = self._handlers.get(words[2])
        if handler is None:
            return -after
        with_headers = data[at] == ord("H")
        start = body + (int(words[-2]) if with_headers else 0)
        reply = words[3] if len(words) == (6 if with_headers else 5) else b""
        try:
            handler(words[1], reply, data[body:start], data[start : after - 2])
        except Exception:  # raised into nats-py's reading task it would end that, and the connection would be deaf
            log.exception("a message handler failed", subject=words[1].decode("utf-8", "replace"))
        return after


class Link:
    """Publishes and subscribes on nats-py's connection without its costs."""

    def __init__(self, client: Client, loop: AbstractEventLoop) -> None:
        self._client, self._loop = client, loop
        self._handlers: dict[bytes, Handler] = {}
        self._out: list[bytes] = []
        client._ps = QuickParser(client, self._handlers)

    async def subscribe(self, subject: str, handler: Handler, group: str = "") -> Callable[[], Any]:
        """Hand over what comes on this subject, also after reconnects; returns what ends it.

        Of those in a `group` each message is given to one.
        """
        subscription = await self._client.subscribe(
            subject, queue=group, cb=_never
        )  # in nats-py's books: it subscribes again
        sid = b"%d" % subscription._id
        self._handlers[sid] = handler
        # Shielded: where the answer comes to a flush that was cancelled, nats-py's reading task raises.
        await asyncio.shield(self._client.flush())

        async def end() -> None:
            self._handlers.pop(sid, None)
            await subscription.unsubscribe()

        return end

    def publish(self, subject: bytes, payload: bytes, reply: bytes = b"", headers: bytes = b"") -> None:
        """Send with this loop round's other messages; `headers` are lines that end in CRLF."""
        if headers:
            head = b"NATS/1.0\r\n" + headers + b"\r\n"
            sizes = len(head), len(head) + len(payload)
            self._write(b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject, reply, *sizes, head, payload))
        else:
            self._write(b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(payload), payload))

    def publish_to_all(self, subjects: Iterable[bytes], payload: bytes) -> None:
        """Send the same to many subjects, such as acknowledgements."""
        tail = b" %d\r\n%b\r\n" % (len(payload), payload)
        self._write(b"".join([b"PUB " + subject + tail for subject in subjects]))

    def flush(self) -> None:
        """Write what was gathered; lost when there is no connection: whoever sent it sends again, or is sent it again."""
        out, self._out = self._out, []
        if out and self._client.is_connected and self._client._transport:
            self._client._transport.write(b"".join(out))

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(data)


async def _never(_: Msg) -> None:
    """The quick parser takes every message of this subscription."""
