"""The connection to the broker: it is made in the background, kept for ever, and its state can be asked."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js.api import StreamState

from app.loops import Loops
from app.queue.confirmation import CONFIRM_SECONDS, Confirmation, Confirmed, read_confirmation
from app.queue.dialling import NOTE_SECONDS, Note, QueueUnavailable, dialling
from app.queue.link import Link
from app.queue.names import names_of
from app.queue.orphans import Orphan, Orphans
from app.queue.pull import Delivery, Pull, server_of
from app.queue.streams import bring_up_to_date
from app.queue.talk import Talk
from app.settings import Settings

FORBIDDEN = re.compile(r'permissions violation for publish to "([^"]+)"')
PLACES = 1 << 48  # of one server's stream of jobs; those of the next one come after them
CHECK_SECONDS = 1.0  # between two looks at pull requests


class Queue(Talk):
    """Jobs out, results in (or the other way round in a worker)."""

    def __init__(
        self,
        settings: Settings,
        lanes: Iterable[str],
        note: Note,
        tls: Any = None,
        loops: Loops | None = None,
        number: int = 0,
    ) -> None:
        """`tls` is an `ssl.SSLContext` where nats-py's own would not do; `number` that of the server among several."""
        super().__init__()
        self.number = number
        self._loops = loops
        self._settings, self._lanes, self._note, self._tls = settings, list(lanes), note, tls
        self.names = names_of(settings)
        self._client = Client()
        self._stream = self._client.jetstream()
        self._orphans = Orphans(self._stream)
        self._pulls: list[Pull] = []
        self._confirmations: dict[bytes, Confirmed] = {}
        self._inbox = b""
        self._number = 0
        self._noted = 0.0
        self._refused: asyncio.Event | None = None  # set when the broker does not let us make streams
        self._closing = False
        self._answers = True  # its stream of jobs, when it was asked last
        self.on_reconnect: Callable[[], None] = lambda: None
        self.on_cut: Callable[[], None] = lambda: None

    async def connect(self, owns_streams: bool = True) -> None:
        """Connect, and make or update streams and consumers; tries for as long as it takes.

        Whoever does not own them makes them only where the broker lets it: an account of a worker has no right to.
        May be called again where it failed, or where what the caller did next failed.
        """
        if self._inbox:
            return
        if not (self._client.is_connected or self._client.is_reconnecting):
            await self._dial()
        await (self._make_streams() if owns_streams else self._make_streams_if_allowed())
        loop = asyncio.get_running_loop()
        self.link = Link(self._client, loop)
        inbox = self._client.new_inbox()
        await self.link.subscribe(f"{inbox}.*", self._take_confirmation)
        self._inbox = inbox.encode()
        self._stop_checking = (self._loops or Loops(loop)).every(CHECK_SECONDS, "consumers", self._check_pulls)

    async def _make_streams(self) -> None:
        while True:
            try:
                await bring_up_to_date(self._stream, self.names, self._settings, self._lanes)
                return
            except (TimeoutError, nats.errors.Error) as error:
                self._tell(f"streams cannot be made yet: {getattr(error, 'description', None) or repr(error)}")
                await asyncio.sleep(1.0)

    async def _make_streams_if_allowed(self) -> None:
        making = asyncio.ensure_future(bring_up_to_date(self._stream, self.names, self._settings, self._lanes))
        self._refused = asyncio.Event()
        refused = asyncio.ensure_future(self._refused.wait())
        await asyncio.wait({making, refused}, return_when=asyncio.FIRST_COMPLETED, timeout=CONFIRM_SECONDS)
        self._refused = None
        for each in (making, refused):
            each.cancel()
        await asyncio.gather(making, refused, return_exceptions=True)  # what is still absent, its owner will make

    async def _dial(self) -> None:
        await self._client.connect(
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnected,
            disconnected_cb=self._on_disconnected,
            **dialling(self._settings, self._tls),
        )

    @property
    def is_open(self) -> bool:
        """Whether it was connected, and its streams were there."""
        return bool(self._inbox)

    @property
    def is_well(self) -> bool:
        """Whether there is a connection, and its streams answered when they were asked last."""
        return self.connected and self.is_open and self._answers

    def place(self, seq: int) -> int:
        """A place on its stream, among those of all servers."""
        return self.number * PLACES + seq

    def at(self, reply: bytes) -> Queue:
        """The server of a delivery: there is this one."""
        return self

    def has_another(self) -> bool:
        """Whether there is another server that may take what this one did not."""
        return False

    def tell(self, subject: bytes, payload: bytes, headers: bytes = b"") -> None:
        """Send what may get lost."""
        self.link.publish(subject, payload, headers=headers)

    def publish(
        self, subject: str, data: bytes, headers: bytes, confirmed: Confirmed, server: int | None = None
    ) -> bytes:
        """Put a message on its stream; `confirmed` is called with the broker's answer, if one comes.

        Returns what `forget` takes. Under the same Nats-Msg-Id a second one within two minutes is not stored again.
        """
        self._number += 1
        token = b"%d" % self._number
        self._confirmations[token] = confirmed
        self.link.publish(subject.encode(), data, reply=self._inbox + b"." + token, headers=headers)
        return token

    def forget(self, token: bytes) -> None:
        """Wait for this confirmation no longer."""
        self._confirmations.pop(token, None)

    async def pull(self, stream: str, consumer: str, max_in_flight: int, hand_over: Callable[[Delivery], None]) -> Pull:
        """Hand over messages of a durable consumer as they come, at most so many at a time."""
        pull = Pull(self.link, self._client.new_inbox, stream, consumer, max_in_flight, hand_over, self.number)
        await pull.start()
        self._pulls.append(pull)
        return pull

    def ack(self, deliveries: Iterable[bytes]) -> None:
        """Take these off their streams, by their reply subjects; what gets lost on the way is delivered again."""
        self.link.publish_to_all(deliveries, b"+ACK")

    def nak(self, delivery: Delivery, seconds: float) -> None:
        """Have it given to somebody else after so many seconds."""
        self.link.publish(server_of(delivery.reply)[1], b'-NAK {"delay":%d}' % int(seconds * 1e9))

    def heartbeat(self, deliveries: Iterable[bytes]) -> None:
        """Say that these are still being worked on."""
        self.link.publish_to_all(deliveries, b"+WPI")

    def bury(self, delivery: Delivery, stream: str, why: str) -> None:
        """Keep what could not be read among the dead, and only then take it off its stream."""
        words = why.replace("\n", " ").replace("\r", " ")[:200]
        headers = b"Spillway-Error: %b\r\nSpillway-Subject: %b\r\n" % (
            words.encode("ascii", "replace"),
            delivery.subject,
        )

        def confirmed(confirmation: Confirmation) -> None:
            if confirmation.verdict == "stored":
                self.link.publish(server_of(delivery.reply)[1], b"+TERM")
            else:
                self.nak(delivery, 5.0)

        self.publish(self.names.undecodable(stream), delivery.data, headers, confirmed)

    async def orphans(self) -> list[Orphan]:
        """Jobs and results that the broker keeps and gives to nobody any more; raises QueueUnavailable."""
        names = self.names
        consumers = [(names.jobs, names.consumer(lane), names.lane(lane)) for lane in self._lanes]
        try:
            found = await self._orphans.look([*consumers, (names.results, names.results_consumer, names.result(">"))])
            return [orphan._replace(server=self.number) for orphan in found]
        except (TimeoutError, nats.errors.Error) as error:
            raise QueueUnavailable(repr(error)) from None

    async def data_at(self, stream: str, seq: int) -> bytes:
        """The message at this place of a stream; empty when it is gone."""
        try:
            return (await self._stream.get_msg(stream, seq)).data or b""
        except (nats.errors.Error, TimeoutError):
            return b""

    async def remove(self, stream: str, seq: int) -> None:
        """Take one message off a stream, whoever holds it; harmless when it is gone."""
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            await self._stream.delete_msg(stream, seq)

    async def depth(self) -> tuple[int, int]:
        """Messages and bytes on the stream of jobs; raises QueueUnavailable."""
        state = await self._state_of_jobs()
        return state.messages, state.bytes

    async def newest_place(self) -> int:
        """The newest place on the stream of jobs; raises QueueUnavailable."""
        return int((await self._state_of_jobs()).last_seq)

    async def _state_of_jobs(self) -> StreamState:
        try:
            state = (await self._stream.stream_info(self.names.jobs)).state
        except (TimeoutError, nats.errors.Error) as error:
            self._answers = False
            raise QueueUnavailable(repr(error)) from None
        self._answers = True
        return state

    async def purge(self, subject: str, newest: int) -> None:
        """Take all jobs on this subject up to a place off the stream, whoever has them; raises QueueUnavailable."""
        try:
            await self._stream.purge_stream(self.names.jobs, seq=newest + 1, subject=subject)
        except (TimeoutError, nats.errors.Error) as error:
            raise QueueUnavailable(repr(error)) from None

    async def close(self) -> None:
        """Stop pulling, send what is buffered, and disconnect."""
        self._closing = True
        if self._inbox:
            self._stop_checking()
            for pull in self._pulls:
                await pull.stop()
            self.link.flush()
        # Not drain(): with pull subscriptions it runs into DrainTimeoutError.
        with contextlib.suppress(nats.errors.Error, asyncio.TimeoutError):
            await self._client.flush(timeout=2)
        await self._client.close()

    def _take_confirmation(self, subject: bytes, _reply: bytes, headers: bytes, data: bytes) -> None:
        confirmed = self._confirmations.pop(subject.rpartition(b".")[2], None)
        if confirmed is None:
            return
        try:
            answer = read_confirmation(data) if data else Confirmation()  # no responders: a status without data
        except msgspec.MsgspecError:
            answer = Confirmation()
        confirmed(answer)

    async def _check_pulls(self) -> None:
        if not self.connected:
            return
        for pull in self._pulls:
            try:
                await pull.check()
            except (nats.errors.Error, TimeoutError) as error:
                self._tell(f"a consumer cannot be asked: {error!r}")  # the next round finds it again

    async def _on_reconnected(self) -> None:
        self._note("the broker is back")
        self._answers = True
        for pull in self._pulls:
            pull.reissue()
        self.on_reconnect()

    async def _on_disconnected(self) -> None:
        if not self._closing:
            self._note("the broker is away")
            self.on_cut()

    async def _on_error(self, error: Exception) -> None:
        # nats-py has no error of its own for a wrong password at the first connect, nor for a right that is missing.
        refuses = "violation" in str(error).lower() or isinstance(error, nats.errors.AuthorizationError)
        forbidden = FORBIDDEN.search(str(error).lower())
        if forbidden is not None:
            self._forbidden.add(forbidden[1])
            if self._refused is not None:  # it was only a try
                self._refused.set()
                return
        self._tell(f"the broker {'refuses' if refuses else 'cannot be reached'}: {error!r}")

    def _tell(self, words: str) -> None:
        if time.monotonic() - self._noted > NOTE_SECONDS:
            self._noted = time.monotonic()
            self._note(words)
