"""Pulling from a durable consumer: messages are handed over as they come, never more than there is room for.

Each request has a reply subject of its own, so that it is always known how much of it is still open. nats-py's `fetch`
holds messages back until its timeout when asked for several, and a cancelled one leaves a request behind that swallows
the next message.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from nats.errors import Error as NatsError

from app.queue.link import Link

EXPIRES_SECONDS = 10.0  # a request stays open at the broker
SILENCE_SECONDS = 2.0  # past that until a request counts as lost: consumers can go silent after a reconnect
NOTHING_THERE, EXPIRED = b"404", b"408"


def server_of(reply: bytes) -> tuple[int, bytes]:
    """The number of the server that a delivery is of, and where to answer it there: `2|$JS.ACK...` is of the third."""
    number, bar, at_server = reply.partition(b"|")
    return (int(number), at_server) if bar else (0, reply)


def marked(number: int, reply: bytes) -> bytes:
    """Where to answer a delivery of this server, as `server_of` reads it."""
    return b"%d|%b" % (number, reply) if number else reply


class Delivery:
    """One message and where to answer it: `$JS.ACK.STREAM.CONSUMER.DELIVERED.STREAM_SEQ.CONSUMER_SEQ.NANOSECONDS.PENDING`."""

    __slots__ = ("data", "headers", "reply", "subject")

    def __init__(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        self.subject, self.reply, self.headers, self.data = subject, reply, headers, data

    @property
    def delivered(self) -> int:
        """How many times it has been given to somebody, this time included."""
        return int(self.reply.split(b".")[-5])

    @property
    def stream_seq(self) -> int:
        """Its place on the stream."""
        return int(self.reply.split(b".")[-4])

    @property
    def at(self) -> float:
        """When it was put on the stream, in seconds since 1970 by the broker's clock."""
        return int(self.reply.split(b".")[-2]) / 1e9

    def header(self, name: str) -> str | None:
        """One header, or None."""
        return header(self.headers, name)


def header(headers: bytes, name: str) -> str | None:
    """One of these headers, or None."""
    wanted = name.lower() + ":"
    for line in headers.decode("utf-8", "replace").split("\r\n"):
        if line.lower().startswith(wanted):
            return line[len(wanted) :].strip()
    return None


class Pull:
    """Keeps requests open for as many messages as there is room for; `free` makes room."""

    def __init__(
        self,
        link: Link,
        new_inbox: Callable[[], str],
        stream: str,
        consumer: str,
        max_in_flight: int,
        hand_over: Callable[[Delivery], None],
        number: int = 0,
    ) -> None:
        """`number` is that of the server, of several that do not know of each other."""
        self._number = number
        self._link, self._new_inbox, self._hand_over = link, new_inbox, hand_over
        self.max_in_flight = max_in_flight
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}".encode()
        self._inbox = b""
        self._open: dict[bytes, list[Any]] = {}  # number of a request -> messages still to come, when it was asked
        self._asked = 0  # messages still to come in all
        self._held = 0
        self._numbers = itertools.count()
        self._stopped = False
        self._unsubscribe: Callable[[], Any] | None = None

    async def start(self) -> None:
        """Begin; messages arrive from now on."""
        await self._subscribe()
        self._ask()

    def free(self, count: int = 1) -> None:
        """There is room for so many more."""
        self._held -= count
        self._ask()

    def reissue(self) -> None:
        """Ask anew: the broker forgot the open requests, as it does when the connection was lost."""
        self._open.clear()
        self._asked = 0
        self._ask()

    async def stop(self) -> None:
        """Ask for nothing more; what was handed over can still be acknowledged."""
        self._stopped = True
        if self._unsubscribe is not None:
            try:
                await self._unsubscribe()
            except NatsError:
                return  # the connection is gone, and the subscription with it

    async def check(self) -> None:
        """Notice requests that got no answer at all, not even that they expired: the inbox is dead, so subscribe anew.

        To be called about every second.
        """
        now = time.monotonic()
        silent = [number for number, (_, at) in self._open.items() if now - at > EXPIRES_SECONDS + SILENCE_SECONDS]
        for number in silent:
            self._asked -= self._open.pop(number)[0]
        if silent and not self._stopped:
            old = self._unsubscribe
            await self._subscribe()
            if old is not None:
                await old()
        self._ask()

    async def _subscribe(self) -> None:
        self._inbox = self._new_inbox().encode()
        self._unsubscribe = await self._link.subscribe(f"{self._inbox.decode()}.*", self._take)

    def _ask(self) -> None:
        missing = self.max_in_flight - self._held - self._asked
        # Small requests cost as much as large ones: wait until half of it is free.
        if self._stopped or missing < max(1, self.max_in_flight // 2):
            return
        number = b"%d" % next(self._numbers)
        self._open[number] = [missing, time.monotonic()]
        self._asked += missing
        request = b'{"batch":%d,"expires":%d}' % (missing, EXPIRES_SECONDS * 1e9)
        self._link.publish(self._subject, request, reply=self._inbox + b"." + number)

    def _take(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        # A message comes under its own subject with one to answer on; a status under that of our request, without.
        if reply.startswith(b"$JS.ACK."):
            self._count_off()
            self._held += 1
            self._hand_over(Delivery(subject, marked(self._number, reply), headers, data))
            return
        status = headers[9:12]  # after "NATS/1.0 "
        self._asked -= self._open.pop(subject.rpartition(b".")[2], (0,))[0]
        if status in (NOTHING_THERE, EXPIRED):  # quite usual
            self._ask()

    def _count_off(self) -> None:
        for number, request in self._open.items():
            request[0] -= 1
            self._asked -= 1
            if request[0] <= 0:
                del self._open[number]
            return
