"""What `worker-check` holds against a worker of a task whose text grows: its pieces, its answers, and its final text."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from app.contract import ResultMessage, TextRequest
from app.queue.names import Names
from app.queue.wire import Undecodable, read_delta

ANSWER_SECONDS = 2.0  # in which a worker answers what it has written


@dataclass
class Told:
    """What a worker told of one text."""

    attempt: int
    text: str = ""
    pieces: int = 0
    wrong: list[str] = field(default_factory=list)
    asking: asyncio.Task[None] | None = None


class TextCheck:
    """Listens to the texts of the jobs it is to watch, and asks for one as the web process does after a restart."""

    def __init__(self, client: Client, names: Names, task: str) -> None:
        self._client, self._names, self._task = client, names, task
        self._told: dict[str, Told] = {}

    async def listen(self) -> None:
        """Hear every piece from now on."""
        await self._client.subscribe(self._names.delta("*", "*"), cb=self._hear)

    def watch(self, job: str, attempt: int = 1) -> None:
        """Look at this job's text."""
        self._told[job] = Told(attempt)

    async def wrong(self, result: ResultMessage) -> str:
        """What is wrong with the text of a job that ended like this; an empty string where nothing is."""
        told = self._told[result.job]
        if not (told.pieces or told.wrong):
            return f"no piece of the text came on {self._names.delta(self._task, 'JOB')}"
        if told.asking is not None:
            await told.asking
        whole = msgspec.json.decode(bytes(result.result) or b"null")
        final = whole.get("text") if isinstance(whole, dict) else None
        if final != told.text and not told.wrong:
            told.wrong.append("the pieces joined are not `result.text`")
        return "; ".join(told.wrong)

    async def _hear(self, message: Msg) -> None:
        task, job = message.subject.split(".")[-2:]
        told = self._told.get(job)
        if told is None:
            return
        try:
            delta = read_delta(message.data)
        except Undecodable as error:
            told.wrong.append(f"a piece cannot be read: {error}")
            return
        if task != self._task:
            told.wrong.append(f"a piece came on {message.subject}: {self._names.delta(self._task, job)} is right")
        if delta.attempt != told.attempt:
            told.wrong.append(f"a piece says attempt {delta.attempt}: {told.attempt} is right")
        if delta.offset != len(told.text):
            told.wrong.append(f"a piece is at offset {delta.offset}, where {len(told.text)} code points were told")
        told.text = told.text[: delta.offset] + delta.text
        told.pieces += 1
        if told.asking is None:
            told.asking = asyncio.create_task(self._ask(job, told))

    async def _ask(self, job: str, told: Told) -> None:
        subject, request = self._names.text(job), TextRequest(attempt=told.attempt, offset=0)
        try:
            answer = await self._client.request(subject, msgspec.json.encode(request), timeout=ANSWER_SECONDS)
            found = read_delta(answer.data)
        except (nats.errors.Error, TimeoutError):
            told.wrong.append(f"a request on {subject} was not answered while the job ran")
        except Undecodable as error:
            told.wrong.append(f"the answer on {subject} cannot be read: {error}")
        else:
            if found.offset != 0 or not (found.text.startswith(told.text) or told.text.startswith(found.text)):
                told.wrong.append(f"the answer on {subject} is not what was told")
