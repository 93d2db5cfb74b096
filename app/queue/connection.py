"""The connection to the broker: it is made in the background, kept for ever, and its state can be asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import PubAck

from app.queue.names import Names
from app.queue.pull import Delivery, Pull
from app.queue.streams import make_absent
from app.queue.wire import JobMessage, ResultMessage, encode
from app.settings import Settings

CONFIRM_SECONDS = 5.0  # how long a publish waits for the broker's confirmation
Note = Callable[[str], None]


class QueueUnavailable(Exception):
    """The broker cannot be reached, or did not confirm in time."""


class QueueFull(Exception):
    """The stream refuses more: it holds as much as it may."""


def credentials(settings: Settings) -> dict[str, Any]:
    """How we prove who we are to the broker, as nats-py's connect takes it; a token may be in the URL instead."""
    return {"user_credentials": settings.nats_creds} if settings.nats_creds else {}


class Queue:
    """Jobs out, results in (or the other way round in a worker)."""

    def __init__(self, settings: Settings, lanes: Iterable[str], note: Note, tls: Any = None) -> None:
        """`tls` is an `ssl.SSLContext` where nats-py's own would not do."""
        self._settings, self._lanes, self._note, self._tls = settings, list(lanes), note, tls
        self.names = Names(settings.nats_prefix)
        self._client = Client()
        self._stream = self._client.jetstream()
        self._pulls: list[Pull] = []
        self._unconfirmed: set[asyncio.Task[PubAck]] = set()
        self._noted = 0.0
        self._closing = False

    async def connect(self) -> None:
        """Connect, and make streams and consumers that are absent; tries for as long as it takes."""
        await self._client.connect(
            servers=list(self._settings.nats_url),
            name="spillway",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds; nats-py sleeps for as long as it is told
            connect_timeout=2,
            ping_interval=5,
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnected,
            disconnected_cb=self._on_disconnected,
            tls=self._tls,
            **credentials(self._settings),
        )
        while True:
            try:
                await make_absent(self._stream, self.names, self._settings, self._lanes)
                return
            except (TimeoutError, nats.errors.Error) as error:
                self._tell(f"streams cannot be made yet: {getattr(error, 'description', None) or repr(error)}")
                await asyncio.sleep(1.0)

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return bool(self._client.is_connected)

    async def publish_job(self, message: JobMessage, lane: str, trace: str | None) -> int:
        """Put one attempt on the stream and return its place there; raises QueueUnavailable or QueueFull.

        Twice is harmless within two minutes: the broker knows it by its Nats-Msg-Id.
        """
        headers = {"Nats-Msg-Id": f"{message.id}.{message.attempt}"}
        if trace:
            headers["traceparent"] = trace
        return await self._publish(self.names.job(lane, message.task), encode(message), headers)

    async def publish_jobs(self, messages: list[tuple[JobMessage, str, str | None]]) -> list[int | Exception]:
        """Put several attempts on the stream at once; for each its place there, or how it failed."""
        done = await asyncio.gather(*(self.publish_job(*each) for each in messages), return_exceptions=True)
        return [each if isinstance(each, int | Exception) else QueueUnavailable("stopped") for each in done]

    async def publish_result(self, task: str, message: ResultMessage) -> None:
        """Put the end of a run on the stream; raises QueueUnavailable or QueueFull."""
        headers = {"Nats-Msg-Id": f"{message.job}.{message.attempt}.{message.run}"}
        await self._publish(self.names.result(task), encode(message), headers)

    async def tell(self, task: str, message: ResultMessage) -> None:
        """Send word of a run that goes on; nobody waits for a confirmation, and it may be lost."""
        with contextlib.suppress(nats.errors.Error):
            await self._client.publish(self.names.result(task), encode(message))

    async def bury(self, delivery: Delivery, stream: str, why: str) -> None:
        """Keep what could not be read among the dead, then take it off its stream."""
        headers = {"Spillway-Error": why.replace("\n", " ")[:200], "Spillway-Subject": delivery.subject}
        try:
            await self._publish(self.names.undecodable(stream), delivery.data, headers)
        except (QueueUnavailable, QueueFull):
            await delivery.nak(5.0)  # kept first, or not taken off at all
            return
        await delivery.term()

    async def pull(self, stream: str, consumer: str, room: int, hand_over: Callable[[Delivery], None]) -> Pull:
        """Hand over messages of a durable consumer as they come, at most `room` at a time."""
        pull = Pull(self._client, stream, consumer, room, hand_over)
        await pull.start()
        self._pulls.append(pull)
        return pull

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

    async def tell_cancelled(self, job: str) -> None:
        """Tell every worker that nobody waits for this job any more."""
        with contextlib.suppress(nats.errors.Error):
            await self._client.publish(self.names.cancel(job))

    async def hear_cancelled(self, heard: Callable[[str], None]) -> None:
        """Hear of every job that is cancelled from now on."""

        async def take(message: Msg) -> None:
            heard(message.subject.rpartition(".")[2])

        await self._client.subscribe(self.names.cancel("*"), cb=take)

    async def answer_cancelled(self, cancelled: Callable[[str], bool]) -> None:
        """Answer workers who ask whether a job is cancelled."""

        async def take(message: Msg) -> None:
            with contextlib.suppress(nats.errors.Error):
                await message.respond(b"1" if cancelled(message.subject.rpartition(".")[2]) else b"0")

        await self._client.subscribe(self.names.cancelled("*"), cb=take)

    async def ask_cancelled(self, job: str) -> bool:
        """Whether the job is cancelled; no, when nobody answers in half a second."""
        try:
            answer = await self._client.request(self.names.cancelled(job), timeout=0.5)
        except (nats.errors.Error, TimeoutError):
            return False
        return answer.data == b"1"

    async def waiting(self) -> tuple[int, int]:
        """Messages and bytes on the stream of jobs; raises QueueUnavailable."""
        try:
            state = (await self._stream.stream_info(self.names.jobs)).state
        except (TimeoutError, nats.errors.Error) as error:
            raise QueueUnavailable(repr(error)) from None
        return state.messages, state.bytes

    async def close(self) -> None:
        """Stop pulling, send what is buffered, and disconnect."""
        self._closing = True
        for pull in self._pulls:
            await pull.stop()
        # Not drain(): with pull subscriptions it runs into DrainTimeoutError (findings.md).
        with contextlib.suppress(nats.errors.Error, asyncio.TimeoutError):
            await self._client.flush(timeout=2)
        await self._client.close()

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str]) -> int:
        publishing = asyncio.create_task(self._stream.publish(subject, data, timeout=CONFIRM_SECONDS, headers=headers))
        self._unconfirmed.add(publishing)
        try:
            return (await publishing).seq
        except asyncio.CancelledError:
            if not publishing.cancelled() or asyncio.current_task().cancelling():  # type: ignore[union-attr]  # in a task
                raise
            raise QueueUnavailable(f"{subject}: the connection was lost before it was confirmed") from None
        except nats.js.errors.APIError as error:
            if "maximum" in (error.description or "") or "insufficient" in (error.description or ""):
                raise QueueFull(f"{subject}: {error.description}") from None
            raise QueueUnavailable(f"{subject}: {error.description}") from None
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise QueueUnavailable(f"{subject}: {error!r}") from None
        finally:
            self._unconfirmed.discard(publishing)

    async def _on_reconnected(self) -> None:
        self._note("the broker is back")
        for pull in self._pulls:
            await pull.again()

    async def _on_disconnected(self) -> None:
        if not self._closing:
            self._note("the broker is away")
        for publishing in self._unconfirmed:
            publishing.cancel()  # its confirmation was lost with the connection: rather publish again than wait for it

    async def _on_error(self, error: Exception) -> None:
        self._tell(f"the broker cannot be reached: {error!r}")

    def _tell(self, words: str) -> None:
        """Note an error, at most one every ten seconds: a broker away for an hour must not fill the log."""
        if time.monotonic() - self._noted > 10:
            self._noted = time.monotonic()
            self._note(words)
