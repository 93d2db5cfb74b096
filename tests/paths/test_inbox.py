"""What comes back from the queue is acknowledged once it is committed, and nothing of it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.contract import Outcome
from app.effects import Receipt
from app.paths import inbox as module
from app.paths.inbox import Inbox
from app.queue.connection import Queue
from app.queue.names import DEAD_CONSUMER, RESULTS_CONSUMER
from app.store.errors import StoreUnavailable
from tests.broker import RealBroker, messages, until, until_messages


class Ledger:
    """Keeps what the inbox hands over; a test says when it is committed."""

    def __init__(self) -> None:
        self.settled: list[tuple[str, int, Outcome, Receipt | None]] = []
        self.announced: list[tuple[str, int, str, str | None]] = []
        self.buried: list[tuple[str, str, str, str]] = []
        self.places: dict[int, tuple[str, int]] = {}
        self.away = 0

    def settle(self, id: str, attempt: int, outcome: Outcome, receipt: Receipt | None) -> None:
        """Kept."""
        self.settled.append((id, attempt, outcome, receipt))

    def announce(self, id: str, attempt: int, run: str, progress: str | None) -> None:
        """Kept."""
        self.announced.append((id, attempt, run, progress))

    async def job_at(self, seq: int) -> tuple[str, int] | None:
        """What a test put there."""
        return self.places.get(seq)

    async def bury(self, id: str, subject: str, payload: str, why: str) -> None:
        """Kept, unless the database is away."""
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        self.buried.append((id, subject, payload, why))


async def on_stream(queue: Queue, subject: str, data: bytes) -> None:
    """Put it there, and let its consumer be past it, as a broker leaves it whose disk was full."""
    await queue._stream.publish(subject, data)
    real = queue._stream.consumer_info

    async def past_everything(stream: str, consumer: str, **more: Any) -> Any:
        info = await real(stream, consumer, **more)
        last = (await queue._stream.stream_info(stream)).state.last_seq
        info.ack_floor.stream_seq = last
        return info

    queue._orphans._broker.consumer_info = past_everything  # type: ignore[assignment]


@asynccontextmanager
async def inbox_on(queue: Queue, ledger: Ledger) -> AsyncIterator[Inbox]:
    """An inbox that takes from this connection."""
    inbox = Inbox(asyncio.get_running_loop(), queue)
    inbox.settle, inbox.announced, inbox.job_at, inbox.bury = ledger.settle, ledger.announce, ledger.job_at, ledger.bury
    inbox.results[0] = await queue.pull(queue.names.results, RESULTS_CONSUMER, 100, inbox.take)
    inbox.dead[0] = await queue.pull(queue.names.dead, DEAD_CONSUMER, 100, inbox.take_dead)
    yield inbox


def result(job: str = "j", state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """What a worker says."""
    return {"job": job, "attempt": 1, "run": "r", "state": state, **more}


def publish(queue: Queue, body: Any) -> None:
    """A worker's message arrives."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    queue.publish(queue.names.result("echo"), data, b"", lambda confirmation: None)


def test_a_result_is_acknowledged_only_after_its_commit(broker: RealBroker) -> None:
    async def test() -> None:
        ledger = Ledger()
        async with broker.connected() as queue, inbox_on(queue, ledger) as inbox:
            publish(queue, result(result={"text": "fine"}, ms=2.5))
            await until(lambda: ledger.settled)
            ((id, attempt, outcome, receipt),) = ledger.settled
            assert (id, attempt, outcome) == ("j", 1, Outcome(state="succeeded", result=b'{"text": "fine"}', ms=2.5))
            assert receipt is not None
            assert await messages(queue, queue.names.results) == 1

            inbox.acknowledge([receipt.reply])
            await until_messages(queue, queue.names.results, 0)

    asyncio.run(test())


def test_results_in_one_message_share_a_receipt(broker: RealBroker) -> None:
    async def test() -> None:
        ledger = Ledger()
        async with broker.connected() as queue, inbox_on(queue, ledger):
            error = {"code": "broken", "message": "it broke"}
            publish(queue, [result("a"), result("b", "failed", error=error), result("c", "running", progress={"n": 1})])
            await until(lambda: len(ledger.settled) == 2)
            receipts = {receipt for *_, receipt in ledger.settled}
            assert [id for id, *_ in ledger.settled] == ["a", "b"]
            assert len(receipts) == 1
            assert next(iter(receipts)).left == 2  # type: ignore[union-attr]  # each has one
            assert ledger.announced == [("c", 1, "r", '{"n": 1}')]

    asyncio.run(test())


def test_word_of_a_run_that_goes_on_is_taken_off_at_once(broker: RealBroker) -> None:
    async def test() -> None:
        ledger = Ledger()
        async with broker.connected() as queue, inbox_on(queue, ledger):
            publish(queue, result(state="running"))
            await until(lambda: ledger.announced)
            await until_messages(queue, queue.names.results, 0)

    asyncio.run(test())


@pytest.mark.parametrize("data", [b"", b"{not json", b"[]", b'{"job":"j"}', b'[{"job":"j"}]', b"\xff\xfe"])
def test_what_cannot_be_read_is_kept_among_the_dead_and_does_not_come_again(broker: RealBroker, data: bytes) -> None:
    async def test() -> None:
        ledger = Ledger()
        async with broker.connected() as queue, inbox_on(queue, ledger):
            publish(queue, data)
            await until(lambda: ledger.buried)
            ((id, subject, payload, why),) = ledger.buried
            assert id.startswith(f"{queue.names.dead}-")
            assert subject == queue.names.undecodable(queue.names.results)
            assert payload == data.decode("utf-8", "replace")
            assert why
            await until_messages(queue, queue.names.results, 0)
            assert ledger.settled == []

            publish(queue, result())  # and the next one is read
            await until(lambda: ledger.settled)

    asyncio.run(test())


def test_a_dead_letter_that_cannot_be_kept_just_now_comes_again(
    broker: RealBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)

    async def test() -> None:
        ledger = Ledger()
        ledger.away = 2
        async with broker.connected() as queue, inbox_on(queue, ledger):
            publish(queue, b"{not json")
            await until(lambda: ledger.buried)
            assert len(ledger.buried) == 1

    asyncio.run(test())


def test_a_job_that_a_worker_terminated_has_failed(broker: RealBroker) -> None:
    async def test() -> None:
        ledger = Ledger()
        ledger.places[1] = ("j", 3)
        async with broker.connected() as queue, inbox_on(queue, ledger):
            taken = list[bytes]()
            await queue.pull(queue.names.jobs, "ml", 1, lambda delivery: taken.append(delivery.reply))
            queue.publish(queue.names.job("ml", "echo"), b"{}", b"", lambda confirmation: None)
            await until(lambda: taken)
            queue.link.publish(taken[0], b"+TERM")
            await until(lambda: ledger.settled)
            ((id, attempt, outcome, receipt),) = ledger.settled
            assert (id, attempt, receipt) == ("j", 3, None)
            assert outcome.error is not None
            assert outcome.error.code == "terminated"
            assert ledger.buried == []

    asyncio.run(test())


def test_a_job_that_the_broker_gives_to_nobody_is_tried_again_and_taken_off(broker: RealBroker) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            ledger, names = Ledger(), queue.names
            job = {
                "id": "j",
                "attempt": 2,
                "task": "t",
                "room": "r",
                "args": {},
                "deadline": "2030-01-01T00:00:00.000Z",
            }
            await on_stream(queue, names.job("ml", "t"), json.dumps(job).encode())
            async with inbox_on(queue, ledger) as inbox:
                assert await queue.orphans() == []  # seen once it may be on its way
                (orphan,) = await queue.orphans()
                await inbox.take_orphan(orphan)
                ((id, attempt, outcome, receipt),) = ledger.settled
                assert (id, attempt, outcome.state) == ("j", 2, "failed")
                assert outcome.error is not None
                assert (outcome.error.code, outcome.error.retryable) == ("broker_lost", True)
                assert await messages(queue, names.jobs) == 1  # not before it is committed
                assert receipt is not None
                inbox.acknowledge([receipt.reply])
                await until_messages(queue, names.jobs, 0)
                assert await queue.orphans() == []

    asyncio.run(test())


@pytest.mark.parametrize(
    ("data", "settled", "buried"),
    [
        (b'[{"job": "j", "attempt": 1, "run": "r", "state": "succeeded", "result": 1}]', 1, 0),
        (b'{"job": "j", "attempt": 1, "run": "r", "state": "running"}', 0, 0),
        (b"{no JSON", 0, 1),
    ],
)
def test_a_result_that_the_broker_gives_to_nobody_counts_all_the_same(
    broker: RealBroker, data: bytes, settled: int, buried: int
) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            ledger, names = Ledger(), queue.names
            await on_stream(queue, names.result("t"), data)
            inbox = Inbox(asyncio.get_running_loop(), queue)
            inbox.settle, inbox.bury = ledger.settle, ledger.bury
            await queue.orphans()
            for orphan in await queue.orphans():
                await inbox.take_orphan(orphan)
            assert (len(ledger.settled), len(ledger.buried)) == (settled, buried)
            for *_, receipt in ledger.settled:
                assert receipt is not None
                inbox.acknowledge([receipt.reply])
            await until_messages(queue, names.results, 0)

    asyncio.run(test())


def test_what_waits_for_its_worker_or_runs_is_no_orphan(broker: RealBroker) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            given: list[Any] = []
            await queue._stream.publish(queue.names.job("ml", "t"), b"{}")
            await queue._stream.publish(queue.names.job("ml", "t"), b"{}")
            await queue.pull(queue.names.jobs, "ml", 1, given.append)
            await until(lambda: given)
            for _ in range(3):
                assert await queue.orphans() == []

    asyncio.run(test())
