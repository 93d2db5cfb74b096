"""What processes tell and ask each other on core NATS, beside the streams: it may be lost, and nothing rests on it alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client

from app.queue.confirmation import read_confirmation
from app.queue.link import Link
from app.queue.names import PROCESS, Names
from app.queue.pull import header

LISTENER_SECONDS = 2.0  # in which a stream confirms a callback; who is no stream need not answer
REQUESTS_GROUP = "spillway"  # of the processes that answer requests


class Talk:
    """The part of a connection to the broker that needs no stream."""

    names: Names
    link: Link
    _client: Client

    def __init__(self) -> None:
        self._forbidden: set[str] = set()  # subjects, in lower case, that the broker lately kept from us

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return bool(self._client.is_connected)

    def tell_cancelled(self, job: str) -> None:
        """Tell every worker that nobody waits for this job any more."""
        self.link.publish(self.names.cancel(job).encode(), b"")

    async def hear_cancelled(self, heard: Callable[[str], None]) -> None:
        """Hear of every job that is cancelled from now on."""
        await self.link.subscribe(
            self.names.cancel("*"), lambda subject, *_: heard(subject.decode().rpartition(".")[2])
        )

    def tell_paused(self, task: str) -> None:
        """Tell every worker to let go of what it has not begun of a task: it is off the stream, and comes again later."""
        self.link.publish(self.names.pause(task).encode(), b"")

    async def hear_paused(self, heard: Callable[[str], None]) -> None:
        """Hear of every task that is paused from now on."""
        await self.link.subscribe(self.names.pause("*"), lambda subject, *_: heard(subject.decode().rpartition(".")[2]))

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
            refused = read_confirmation(answer.data).error
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
