"""The connection to the broker: it is made in the background, kept for ever, and its state can be asked."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from app.loops import Loops
from app.queue.accounts import inbox_of
from app.queue.link import Link
from app.queue.names import PROCESS, RESULTS_CONSUMER, Names
from app.queue.orphans import Orphan, Orphans
from app.queue.pull import Delivery, Pull, header
from app.queue.streams import bring_up_to_date
from app.settings import Settings

CONFIRM_SECONDS = 5.0  # how long a publish waits for the broker's confirmation
LISTENER_SECONDS = 2.0  # in which a stream confirms a callback; who is no stream need not answer
FORBIDDEN = re.compile(r'permissions violation for publish to "([^"]+)"')
REQUESTS_GROUP = "spillway"  # of the processes that answer requests
CHECK_SECONDS = 1.0  # between two looks at pull requests
NOTE_SECONDS = 10.0  # between two lines about the same trouble: a broker away for an hour must not fill the log
Note = Callable[[str], None]
Confirmed = Callable[["Confirmation"], None]

TOO_LARGE = (10054, 10110)  # JetStream's err_code: the message is larger than the stream, or the server, takes


class QueueUnavailable(Exception):
    """The broker cannot be reached, or did not confirm in time."""


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


_read_confirmation = msgspec.json.Decoder(Confirmation).decode


def identity(settings: Settings) -> dict[str, Any]:
    """Who we are to the broker, as nats-py's connect takes it; a user or a token may be in the URL instead."""
    own: dict[str, Any] = {"inbox_prefix": settings.nats_inbox or inbox_of(settings.broker_user)}
    return {**own, "user_credentials": settings.nats_creds} if settings.nats_creds else own


def dialling(settings: Settings, tls: Any = None) -> dict[str, Any]:
    """How every lasting connection is made, as nats-py's connect takes it: it is kept for ever."""
    return {
        "servers": list(settings.nats_url),
        "name": "spillway",
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.25,  # seconds; nats-py sleeps for as long as it is told
        "connect_timeout": 2,
        "ping_interval": 5,
        "tls": tls,
        **identity(settings),
    }


class Queue:
    """Jobs out, results in (or the other way round in a worker)."""

    def __init__(
        self, settings: Settings, lanes: Iterable[str], note: Note, tls: Any = None, loops: Loops | None = None
    ) -> None:
        """`tls` is an `ssl.SSLContext` where nats-py's own would not do."""
        self._loops = loops
        self._settings, self._lanes, self._note, self._tls = settings, list(lanes), note, tls
        self.names = Names(settings.nats_prefix)
        self._client = Client()
        self._stream = self._client.jetstream()
        self._orphans = Orphans(self._stream)
        self._pulls: list[Pull] = []
        self._confirmations: dict[bytes, Confirmed] = {}
        self._inbox = b""
        self._number = 0
        self._noted = 0.0
        self._forbidden: set[str] = set()  # subjects, in lower case, that the broker lately kept from us
        self._refused: asyncio.Event | None = None  # set when the broker does not let us make streams
        self._closing = False
        self.on_reconnect: Callable[[], None] = lambda: None

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
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return bool(self._client.is_connected)

    def publish(self, subject: str, data: bytes, headers: bytes, confirmed: Confirmed) -> bytes:
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
        pull = Pull(self.link, self._client.new_inbox, stream, consumer, max_in_flight, hand_over)
        await pull.start()
        self._pulls.append(pull)
        return pull

    def ack(self, deliveries: Iterable[bytes]) -> None:
        """Take these off their streams, by their reply subjects; what gets lost on the way is delivered again."""
        self.link.publish_to_all(deliveries, b"+ACK")

    def nak(self, delivery: Delivery, seconds: float) -> None:
        """Have it given to somebody else after so many seconds."""
        self.link.publish(delivery.reply, b'-NAK {"delay":%d}' % int(seconds * 1e9))

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
                self.link.publish(delivery.reply, b"+TERM")
            else:
                self.nak(delivery, 5.0)

        self.publish(self.names.undecodable(stream), delivery.data, headers, confirmed)

    async def orphans(self) -> list[Orphan]:
        """Jobs and results that the broker keeps and gives to nobody any more; raises QueueUnavailable."""
        names = self.names
        consumers = [(names.jobs, lane, names.lane(lane)) for lane in self._lanes]
        try:
            return await self._orphans.look([*consumers, (names.results, RESULTS_CONSUMER, names.result(">"))])
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

    def tell_cancelled(self, job: str) -> None:
        """Tell every worker that nobody waits for this job any more."""
        self.link.publish(self.names.cancel(job).encode(), b"")

    async def hear_cancelled(self, heard: Callable[[str], None]) -> None:
        """Hear of every job that is cancelled from now on."""
        await self.link.subscribe(
            self.names.cancel("*"), lambda subject, *_: heard(subject.decode().rpartition(".")[2])
        )

    def tell_doing(self, worker: str, what: bytes) -> None:
        """Say what this worker does."""
        self.link.publish(self.names.worker(worker).encode(), what)

    async def hear_workers(self, heard: Callable[[bytes], None]) -> None:
        """Hear what workers do."""
        await self.link.subscribe(self.names.worker("*"), lambda _, __, ___, data: heard(data))

    async def answer_workers(self, asked: Callable[[str, bytes, str], bool | asyncio.Future[bool] | None]) -> None:
        """Answer workers who ask whether a job is cancelled, or over.

        `asked` gets its ID, what they say of the run, and the web process that the job is one of, where they know it; it
        returns None where another process answers, and where it is not known yet, the answer waits.
        """

        def take(subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
            said = asked(subject.decode().rpartition(".")[2], data, header(headers, PROCESS) or "")
            if isinstance(said, bool):
                self._answer(reply, b"%d" % said)
            elif said is not None:
                said.add_done_callback(lambda done: self._answer(reply, b"%d" % done.result()))

        await self.link.subscribe(self.names.cancelled("*"), take)

    def _answer(self, reply: bytes, data: bytes | None) -> None:
        """Whoever asks names the subject of the answer: ours must not become a job, or an event, in our name."""
        if data is not None and reply and not self.names.owns(reply.decode("utf-8", "replace")):
            self.link.publish(reply, data)

    async def hear_texts(self, heard: Callable[[str, bytes], None]) -> None:
        """Hear how texts go on: `heard` gets the job and the message."""
        everything = self.names.delta("*", "*")
        await self.link.subscribe(
            everything, lambda subject, _, __, data: heard(subject.decode().rpartition(".")[2], data)
        )

    async def answer_texts(self, asked: Callable[[str, bytes], bytes | None]) -> None:
        """Answer whoever asks what a job has written here, unless there is nothing to say."""
        await self.link.subscribe(
            self.names.text("*"),
            lambda subject, reply, _, data: self._answer(reply, asked(subject.decode().rpartition(".")[2], data)),
        )

    async def ask_text(self, job: str, asked: bytes) -> bytes | None:
        """What the worker that runs this job has written of it; None when none answers in time."""
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            return (await self._client.request(self.names.text(job), asked, timeout=1.0)).data
        return None

    async def answer_requests(self, ask: Callable[[str, str, bytes], Coroutine[Any, Any, bytes]]) -> None:
        """Answer those who ask for jobs, with what `ask` makes of room, task and body; one process answers each."""
        loop, under_way = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        async def answer(subject: bytes, reply: bytes, data: bytes) -> None:
            answered = await ask(*self.names.room_and_task(subject.decode("utf-8", "replace")), data)
            self._answer(reply, answered)

        def take(subject: bytes, reply: bytes, _: bytes, data: bytes) -> None:
            task = loop.create_task(answer(subject, reply, data))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

        await self.link.subscribe(self.names.requests, take, REQUESTS_GROUP)

    async def call_back(self, subject: str, data: bytes, headers: dict[str, str]) -> str | None:
        """Publish what a stream confirms, or whoever listens gets once; returns why it was not taken, or None."""
        try:
            answer = await self._client.request(subject, data, timeout=LISTENER_SECONDS, headers=headers)
        except nats.errors.NoRespondersError:
            return "nobody listens on the subject"
        except TimeoutError:  # somebody does, and has nothing to say: the broker would have told otherwise
            if subject.lower() in self._forbidden:
                self._forbidden.discard(subject.lower())
                return "the broker does not let us publish there"
            return None if self.connected else "the broker is away"
        except nats.errors.Error as error:
            return repr(error)
        try:
            refused = _read_confirmation(answer.data).error
        except msgspec.MsgspecError:
            return None  # an answer in words of its own
        return refused.description if refused is not None else None

    async def ask_cancelled(self, job: str, run: bytes = b"", process: str = "") -> bool:
        """Whether the job is cancelled or over; no, when nobody answers in half a second."""
        headers = {PROCESS: process} if process else None
        try:
            answer = await self._client.request(self.names.cancelled(job), run, timeout=0.5, headers=headers)
        except (nats.errors.Error, TimeoutError):
            return False
        return answer.data == b"1"

    async def depth(self) -> tuple[int, int]:
        """Messages and bytes on the stream of jobs; raises QueueUnavailable."""
        try:
            state = (await self._stream.stream_info(self.names.jobs)).state
        except (TimeoutError, nats.errors.Error) as error:
            raise QueueUnavailable(repr(error)) from None
        return state.messages, state.bytes

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
            answer = _read_confirmation(data) if data else Confirmation()  # no responders: a status without data
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
        for pull in self._pulls:
            pull.reissue()
        self.on_reconnect()

    async def _on_disconnected(self) -> None:
        if not self._closing:
            self._note("the broker is away")

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
