"""The broker, or several that do not know of each other: what is published goes to one of them, and all are listened to.

Places on streams and deliveries say which server they are of. Where there is one, they are what that server calls them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from app.loops import Loops
from app.queue.confirmation import Confirmation, Confirmed
from app.queue.connection import PLACES, Queue
from app.queue.dialling import Note, QueueUnavailable
from app.queue.names import names_of
from app.queue.orphans import Orphan
from app.queue.pull import Delivery, server_of
from app.settings import Settings

REST_SECONDS = 1.0  # for which a server that did not take something is passed over

Token = tuple[int, bytes]
Answer = TypeVar("Answer")
Setup = Callable[[Queue], Awaitable[None]]


class Servers:
    """A connection to each. On the loop."""

    def __init__(
        self, settings: Settings, lanes: Iterable[str], note: Note, tls: Any = None, loops: Loops | None = None
    ) -> None:
        """`tls` is an `ssl.SSLContext` where nats-py's own would not do."""
        lanes = list(lanes)
        self.all = [
            Queue(replace(settings, nats_url=urls), lanes, note, tls, loops, number)
            for number, urls in enumerate(settings.servers)
        ]
        self.names = names_of(settings)
        self._resting = [0.0] * len(self.all)  # until when, on the loop's clock

    @property
    def connected(self) -> bool:
        """Whether there is a connection to one of them at this moment."""
        return any(queue.connected for queue in self.all)

    @property
    def reachable(self) -> list[Queue]:
        """Those there is a connection to, and whose streams are there."""
        return [queue for queue in self.all if queue.connected and queue.is_open]

    @property
    def well(self) -> set[int]:
        """The numbers of those that are there and whose streams answer."""
        return {queue.number for queue in self.all if queue.is_well}

    # What is published

    def publish(
        self, subject: str, data: bytes, headers: bytes, confirmed: Confirmed, server: int | None = None
    ) -> Token:
        """Put a message on the stream of a server that is there, this one or any; `confirmed` gets its place among all."""
        queue = self._choose(server)

        def note(confirmation: Confirmation) -> None:
            if confirmation.verdict == "stored":
                confirmation.seq = queue.place(confirmation.seq)
            elif confirmation.verdict != "refused":
                self._resting[queue.number] = asyncio.get_running_loop().time() + REST_SECONDS
            confirmed(confirmation)

        return queue.number, queue.publish(subject, data, headers, note)

    def forget(self, token: Token) -> None:
        """Wait for this confirmation no longer."""
        self.all[token[0]].forget(token[1])

    def has_another(self) -> bool:
        """Whether a server is there that did not refuse anything just now."""
        return bool(self._willing())

    def tell(self, subject: bytes, payload: bytes, headers: bytes = b"") -> None:
        """Send what may get lost, by one server."""
        self._choose().link.publish(subject, payload, headers=headers)

    def tell_all(self, tell: Callable[[Queue], None]) -> None:
        """Tell something by every server that is there."""
        for queue in self.reachable:
            tell(queue)

    def _choose(self, server: int | None = None) -> Queue:
        if len(self.all) == 1:
            return self.all[0]
        willing = self._willing()
        if server is not None and self.all[server] in willing:
            return self.all[server]
        # One that was connected before keeps what it is given until it is back; another has no link yet.
        known = willing or self.reachable or [queue for queue in self.all if queue.is_open]
        return random.choice(known or self.all)  # noqa: S311 - no secret

    def _willing(self) -> list[Queue]:
        now = asyncio.get_running_loop().time()
        return [queue for queue in self.all if queue.is_well and self._resting[queue.number] <= now]

    # What was delivered

    def answer(self, replies: Iterable[bytes], payload: bytes) -> None:
        """Answer these deliveries, each at its server: with an acknowledgement, a heartbeat, or by giving them back."""
        by_server: dict[int, list[bytes]] = {}
        for reply in replies:
            number, at_server = server_of(reply)
            by_server.setdefault(number, []).append(at_server)
        for number, given in by_server.items():
            if self.all[number].is_open:
                self.all[number].link.publish_to_all(given, payload)

    def ack(self, replies: Iterable[bytes]) -> None:
        """Take these off their streams; what gets lost on the way is delivered again."""
        self.answer(replies, b"+ACK")

    def heartbeat(self, replies: Iterable[bytes]) -> None:
        """Say that these are still being worked on."""
        self.answer(replies, b"+WPI")

    def nak(self, delivery: Delivery, seconds: float) -> None:
        """Have it given to somebody else after so many seconds."""
        self.answer([delivery.reply], b'-NAK {"delay":%d}' % int(seconds * 1e9))

    def bury(self, delivery: Delivery, stream: str, why: str) -> None:
        """Keep what could not be read among the dead, and only then take it off its stream."""
        self.at(delivery.reply).bury(delivery, stream, why)

    def at(self, reply: bytes) -> Queue:
        """The server of a delivery."""
        return self.all[server_of(reply)[0]]

    # What is asked

    async def ask_text(self, job: str, asked: bytes) -> bytes | None:
        """What the worker that runs this job has written of it; None when none answers in time."""
        for queue in self.reachable:
            if (answer := await queue.ask_text(job, asked)) is not None:
                return answer
        return None

    async def ask_cancelled(self, job: str, run: bytes, process: str, near: bytes) -> bool:
        """Whether the job is cancelled or over; no, when nobody answers in half a second."""
        first = self.at(near)
        for queue in sorted(self.reachable, key=lambda each: each is not first):
            if await queue.ask_cancelled(job, run, process):
                return True
        return False

    async def call_back(self, subject: str, body: bytes, headers: dict[str, str]) -> str | None:
        """Publish what a stream confirms, or whoever listens gets once; returns why it was not taken, or None."""
        why: str | None = "the broker is away"
        for queue in self.reachable:
            if (why := await queue.call_back(subject, body, headers)) is None:
                return None
        return why

    async def orphans(self) -> list[Orphan]:
        """Jobs and results that a server keeps and gives to nobody any more; raises QueueUnavailable."""
        return [orphan for queue in self.reachable for orphan in await queue.orphans()]

    async def depth(self) -> tuple[int, int]:
        """Messages and bytes on the streams of jobs that answer; raises QueueUnavailable where none does."""
        found = list((await self._each_that_answers(Queue.depth)).values())
        return sum(messages for messages, _ in found), sum(size for _, size in found)

    async def newest_places(self) -> list[tuple[int, int]]:
        """For each server whose stream of jobs answers its places: before the first, and the newest; raises as `depth`."""
        found = await self._each_that_answers(Queue.newest_place)
        return [(queue.place(0), queue.place(newest)) for queue, newest in found.items()]

    async def purge(self, subject: str, places: list[tuple[int, int]]) -> None:
        """Take all jobs on this subject at these places off the streams, whoever has them; raises QueueUnavailable."""
        for start, newest in places:
            await self.all[start // PLACES].purge(subject, newest - start)

    async def _each_that_answers(self, ask: Callable[[Queue], Awaitable[Answer]]) -> dict[Queue, Answer]:
        """One that does not answer does not fail for all of them."""
        asked = self.reachable
        answers = await asyncio.gather(*map(ask, asked), return_exceptions=True)
        found: dict[Queue, Answer] = {}
        for queue, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, BaseException):
                found[queue] = answer
            elif not isinstance(answer, QueueUnavailable):
                raise answer
        if not found:
            raise QueueUnavailable("no stream of jobs answers")
        return found

    async def close(self) -> None:
        """Stop pulling, send what is buffered, and disconnect."""
        await asyncio.gather(*(queue.close() for queue in self.all))


def places_of(number: int) -> tuple[int, int]:
    """Every place of the stream of one server: before the first, and the last."""
    return number * PLACES, (number + 1) * PLACES - 1
