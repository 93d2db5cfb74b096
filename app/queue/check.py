"""`worker-check`: offers jobs to a worker in any language and says where it breaks the contract.

It watches what the worker sends, results and acknowledgements alike, as a bystander on the same broker; the streams are
those of NATS_PREFIX, which should be one that no web process uses.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import nats
import nats.errors
from msgspec import Raw
from nats.aio.client import Client
from nats.aio.msg import Msg

from app.contract import JobMessage, ResultMessage
from app.ids import new_id, rfc3339, traceparent
from app.payload import Refused
from app.queue.accounts import CHECK
from app.queue.dialling import QueueUnavailable, identity
from app.queue.names import Names
from app.queue.streams import bring_up_to_date
from app.queue.text_check import TextCheck
from app.queue.wire import Undecodable, read_results
from app.settings import Settings
from app.tasks import Task

ACK, NAK, TERM, PROGRESS = b"+ACK", b"-NAK", b"+TERM", b"+WPI"
PATIENCE = 15.0  # seconds for each answer


@dataclass
class Seen:
    """What came back about one job, in the order in which it came."""

    results: list[tuple[ResultMessage, dict[str, str]]] = field(default_factory=list)
    acks: list[bytes] = field(default_factory=list)
    order: list[str] = field(default_factory=list)  # result or ack
    wrong: list[str] = field(default_factory=list)


@dataclass
class Finding:
    """One thing that was checked: what, and what is wrong with it (empty: nothing)."""

    check: str
    wrong: str


class WorkerCheck:
    """Offers jobs of one task and collects what is said of them."""

    def __init__(self, settings: Settings, task: Task, args: dict[str, Any], note: Callable[[str], None]) -> None:
        self._settings, self._task, self._args, self._note = settings, task, args, note
        self._names = Names(settings.nats_prefix)
        self._client = Client()
        self._seen: dict[str, Seen] = {}
        self._by_seq: dict[int, str] = {}
        self._cancelled: set[str] = set()
        self._texts = TextCheck(self._client, self._names, task.name)

    async def run(self) -> list[Finding]:
        """Every check in turn; raises QueueUnavailable when there is no broker."""
        await self._connect()
        try:
            findings = []
            growing = [("tells its text as it grows", self._tells_its_text)] if self._task.streams else []
            for name, check in (
                ("answers a job", self._answers),
                ("ignores fields it does not know", self._ignores_more_fields),
                ("heeds cancelled.JOB before it starts", self._heeds_cancelled),
                ("survives what it cannot read", self._survives_garbage),
                ("answers again under a new attempt", self._answers_next_attempt),
                *growing,
            ):
                self._note(name)
                findings.append(Finding(name, await check()))
            return findings
        finally:
            await self._client.close()

    # The checks: each returns what is wrong, or an empty string

    async def _answers(self) -> str:
        return self._judge(await self._offer(new_id()))

    async def _ignores_more_fields(self) -> str:
        return self._judge(await self._offer(new_id(), more={"from_a_later_version": True}))

    async def _answers_next_attempt(self) -> str:
        return self._judge(await self._offer(new_id(), attempt=2))

    async def _tells_its_text(self) -> str:
        job = new_id()
        self._texts.watch(job)
        seen = await self._offer(job)
        wrong = self._judge(seen)
        return wrong or await self._texts.wrong(next(result for result, _ in seen.results if result.state != "running"))

    async def _heeds_cancelled(self) -> str:
        """It may have missed the word (it asks), or hear it now; in both cases there is no result but `cancelled`."""
        job = new_id()
        self._cancelled.add(job)
        await self._client.publish(self._names.cancel(job))
        await self._client.flush()
        seen = await self._offer(job)
        states = [result.state for result, _ in seen.results]
        if "succeeded" in states:
            return "it ran a cancelled job to the end: harmless, its answer is dropped, but the work was in vain"
        return "" if seen.acks else "it neither answered nor acknowledged a cancelled job"

    async def _survives_garbage(self) -> str:
        place = await self._publish(b"{ this is no job", {})
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self._settled(place):
            await asyncio.sleep(0.05)
        if not self._settled(place):
            return "a message that is no job was neither terminated nor acknowledged: it would come back for ever"
        wrong = self._judge(await self._offer(new_id()))
        return f"after a message that is no job: {wrong}" if wrong else ""

    # What was seen

    def _judge(self, seen: Seen) -> str:
        if seen.wrong:
            return "; ".join(seen.wrong)
        final = [(result, headers) for result, headers in seen.results if result.state != "running"]
        if not final:
            return f"no final result within {PATIENCE:.0f} s (is the worker running, with NATS_PREFIX={self._names.prefix}?)"
        if len(final) > 1:
            return f"{len(final)} final results for one delivery: one is right"
        result, headers = final[0]
        return "; ".join(filter(None, [self._wrong_result(result, headers), self._wrong_acks(seen)]))

    def _wrong_result(self, result: ResultMessage, headers: dict[str, str]) -> str:
        wanted = f"{result.job}.{result.attempt}.{result.run}"
        if headers.get("Nats-Msg-Id") != wanted:
            return f"the final result's Nats-Msg-Id is {headers.get('Nats-Msg-Id')}: ID.ATTEMPT.RUN, here {wanted}, is right"
        if result.state != "succeeded":
            return f"it answered {result.state}: {result.error.message if result.error else 'without an error'}"
        try:
            self._task.check_result(bytes(result.result) or b"null")
        except Refused as error:
            return f"the result does not fit task {self._task.name}: {error.message}"
        return ""

    def _wrong_acks(self, seen: Seen) -> str:
        ends = [ack for ack in seen.acks if not ack.startswith(PROGRESS)]
        if not ends:
            return "the job was never acknowledged: it would be given out again"
        if ends != [ACK] and ends != [b""]:
            return f"the job was ended by {b' '.join(ends).decode()}: one +ACK is right"
        if "result" not in seen.order or seen.order.index("result") > seen.order.index("ack"):
            return "the job was acknowledged before its result was published: a crash in between loses the answer"
        return ""

    def _settled(self, place: int) -> bool:
        return any(not ack.startswith(PROGRESS) for ack in self._seen.setdefault(f"seq {place}", Seen()).acks)

    # Offering and watching

    async def _connect(self) -> None:
        async def quiet(_: Exception) -> None:
            """The exception below says it."""

        try:
            await self._client.connect(
                servers=list(self._settings.servers[0]),
                allow_reconnect=False,
                max_reconnect_attempts=1,  # at the first connect, too: 60 by default, 2 s apart
                error_cb=quiet,
                **identity(self._settings),
            )
            await bring_up_to_date(self._client.jetstream(), self._names, self._settings, [self._task.lane])
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise QueueUnavailable(f"{self._settings.broker} cannot be reached: {error!r}") from None
        await self._client.subscribe(self._names.result("*"), cb=self._on_result)
        if self._task.streams:
            await self._texts.listen()
        await self._client.subscribe(f"$JS.ACK.{self._names.jobs}.>", cb=self._on_ack)
        await self._client.subscribe(self._names.cancelled("*"), cb=self._on_question)
        await self._client.flush()

    async def _offer(self, job: str, attempt: int = 1, more: dict[str, Any] | None = None) -> Seen:
        """Offer one job and wait until it is answered and acknowledged, or for as long as patience lasts."""
        deadline = rfc3339(time.time() + self._task.deadline)
        message = JobMessage(
            id=job,
            attempt=attempt,
            task=self._task.name,
            room="check",
            args=Raw(msgspec.json.encode(self._args)),
            deadline=deadline,
        )
        body = {**json.loads(msgspec.json.encode(message)), **(more or {})}
        seen = self._seen[job] = Seen()
        headers = {"Nats-Msg-Id": f"{job}.{attempt}", "traceparent": traceparent(job)}
        place = await self._publish(json.dumps(body).encode(), headers)
        self._by_seq[place] = job
        early = self._seen.pop(f"seq {place}", None)  # acknowledged before we knew its place
        if early is not None:
            seen.acks, seen.order = early.acks, [*seen.order, *early.order]
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self._complete(seen):
            await asyncio.sleep(0.05)
        return seen

    @staticmethod
    def _complete(seen: Seen) -> bool:
        return any(not ack.startswith(PROGRESS) for ack in seen.acks) and (
            bool(seen.wrong) or any(result.state != "running" for result, _ in seen.results)
        )

    async def _publish(self, data: bytes, headers: dict[str, str]) -> int:
        subject = self._names.job(self._task.lane, self._task.name)
        try:
            return (await self._client.jetstream().publish(subject, data, headers=headers)).seq
        except (TimeoutError, nats.errors.Error) as error:
            raise QueueUnavailable(
                f"no job can be offered on {subject}: {error!r}. With accounts on the broker the operator may offer"
                f" jobs under NATS_PREFIX={CHECK.prefix} only"
            ) from None

    async def _on_result(self, message: Msg) -> None:
        try:
            results = read_results(message.data)
        except Undecodable as error:
            for seen in self._seen.values():
                if not self._complete(seen):
                    seen.wrong.append(f"a result cannot be read: {error}")
            return
        for result in results:
            self._note_result(message, result, alone=len(results) == 1)

    def _note_result(self, message: Msg, result: ResultMessage, alone: bool) -> None:
        seen = self._seen.setdefault(result.job, Seen())
        right = self._names.result(self._task.name)
        if message.subject != right:
            seen.wrong.append(f"the result came on {message.subject}: {right} is right")
        headers = dict(message.headers or {})
        if not alone and headers.get("Nats-Msg-Id"):  # a batch has a name of its own
            headers["Nats-Msg-Id"] = f"{result.job}.{result.attempt}.{result.run}"
        seen.results.append((result, headers))
        if result.state != "running":
            seen.order.append("result")

    async def _on_ack(self, message: Msg) -> None:
        place = int(
            message.subject.split(".")[-4]
        )  # $JS.ACK.[domain.account.]STREAM.CONSUMER.delivered.SEQ.seq.time.pending
        name = self._by_seq.get(place, f"seq {place}")
        seen = self._seen.setdefault(name, Seen())
        seen.acks.append(message.data)
        if not message.data.startswith(PROGRESS):
            seen.order.append("ack")

    async def _on_question(self, message: Msg) -> None:
        await message.respond(b"1" if message.subject.rpartition(".")[2] in self._cancelled else b"0")
