"""Attempts are published until the broker confirms them, whatever happens to it in between."""

from __future__ import annotations

import asyncio

import pytest
from nats.js.api import StreamConfig

from app.jobs.job import Job
from app.loops import Loops
from app.paths import outbox as module
from app.paths.outbox import Outbox
from app.queue.connection import Queue
from app.queue.streams import bring_up_to_date
from tests.broker import RealBroker, messages, until, until_messages
from tests.paths.conftest import NewJob


def outbox_on(queue: Queue, size: int = 10) -> Outbox:
    """An outbox of this connection, open."""

    def message(job: Job) -> tuple[str, bytes, bytes]:
        headers = f"Nats-Msg-Id: {job.id}.{job.attempt}\r\n".encode()
        return queue.names.job("ml", job.task), b"x" * size, headers

    made = Outbox(Loops(asyncio.get_running_loop()), queue, message)
    queue.on_reconnect = made.publish_again
    made.open()
    return made


@pytest.fixture
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(module, "PARK_SECONDS", 0.02)
    monkeypatch.setattr(module, "FALL_BACK_SECONDS", 0.1)


def queued(new_job: NewJob) -> Job:
    """An attempt for the queue."""
    return new_job(path="queued")


def test_what_is_confirmed_is_on_the_stream_once_and_known_by_its_place(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            outbox, jobs = outbox_on(queue), [queued(new_job) for _ in range(50)]
            for job in jobs:
                outbox.put(job)
            await until(lambda: len(outbox) == 0)
            assert await messages(queue, queue.names.jobs) == 50
            assert [job.stream_seq for job in jobs] == list(range(1, 51))
            assert not outbox.refused
            outbox.close()

    asyncio.run(test())


def test_an_attempt_that_is_published_again_is_stored_once(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            outbox, job = outbox_on(queue), queued(new_job)
            for _ in range(3):
                outbox.put(job)
            outbox.publish_again()
            await until(lambda: len(outbox) == 0)
            assert await messages(queue, queue.names.jobs) == 1
            outbox.close()

    asyncio.run(test())


@pytest.mark.usefixtures("look_often")
def test_what_a_full_stream_refuses_waits_until_there_is_room(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected(jobs_max_msgs=2) as queue:
            outbox = outbox_on(queue)
            for _ in range(3):
                outbox.put(queued(new_job))
            await until(lambda: outbox.refused)
            await until(lambda: len(outbox) == 1)
            assert await messages(queue, queue.names.jobs) == 2
            await queue.remove(queue.names.jobs, 1)
            await until(lambda: len(outbox) == 0)
            assert not outbox.refused
            outbox.close()

    asyncio.run(test())


def test_what_the_broker_will_never_take_is_given_back(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            names = queue.names
            await queue._stream.delete_stream(names.jobs)
            await queue._stream.add_stream(
                StreamConfig(name=names.jobs, subjects=[names.job("*", "*")], max_msg_size=100)
            )
            outbox, job = outbox_on(queue, size=200), queued(new_job)
            refused: list[tuple[Job, int, str]] = []
            outbox.refuse = lambda *why: refused.append(why)
            outbox.put(job)
            await until(lambda: refused)
            assert refused == [(job, 1, "message size exceeds maximum allowed")]
            assert len(outbox) == 0
            outbox.close()

    asyncio.run(test())


@pytest.mark.usefixtures("look_often")
def test_what_no_stream_answers_waits_for_one(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            await queue._stream.delete_stream(queue.names.jobs)
            outbox = outbox_on(queue)
            outbox.put(queued(new_job))
            await until(lambda: outbox.refused)
            assert len(outbox) == 1
            await bring_up_to_date(queue._stream, queue.names, queue._settings, ["ml"])
            await until(lambda: len(outbox) == 0)
            assert await messages(queue, queue.names.jobs) == 1
            outbox.close()

    asyncio.run(test())


def test_a_broker_that_was_killed_gets_all_of_it_once_when_it_is_back(own_broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with own_broker.connected() as queue:
            outbox = outbox_on(queue)
            for _ in range(20):
                outbox.put(queued(new_job))
            await asyncio.sleep(0)  # written, and not confirmed
            own_broker.kill()
            for _ in range(20):
                outbox.put(queued(new_job))
            await until(lambda: not queue.connected)
            assert len(outbox) >= 20
            own_broker.restart()
            await until(lambda: len(outbox) == 0)
            await until_messages(queue, queue.names.jobs, 40)
            outbox.close()

    asyncio.run(test())


@pytest.mark.usefixtures("look_often")
def test_what_the_broker_has_had_for_a_while_is_parked_unless_it_has_ended(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            outbox, jobs = outbox_on(queue), [queued(new_job) for _ in range(3)]
            parked: list[tuple[Job, int, int]] = []
            outbox.park = lambda *which: parked.append(which)
            for job in jobs:
                outbox.put(job)
            jobs[1].state = "cancelled"
            await until(lambda: len(parked) == 2)
            assert parked == [(jobs[0], 1, 1), (jobs[2], 1, 3)]
            outbox.close()

    asyncio.run(test())


@pytest.mark.usefixtures("look_often")
def test_what_waits_too_long_falls_back_where_the_flag_lets_it(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected(jobs_max_msgs=1) as queue:
            outbox = outbox_on(queue)
            fallen: list[Job] = []
            outbox.fall_back, outbox.may_fall_back = fallen.append, lambda job: job.task == "may"
            outbox.put(queued(new_job))
            await until(lambda: len(outbox) == 0)
            may, must_not = new_job(path="queued", task="may"), new_job(path="queued", task="must-not")
            outbox.put(must_not)
            outbox.put(may)
            await until(lambda: fallen)
            assert fallen == [may]
            assert len(outbox) == 1
            outbox.close()

    asyncio.run(test())


def test_what_has_moved_on_is_not_published(broker: RealBroker, new_job: NewJob) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            outbox = Outbox(
                Loops(asyncio.get_running_loop()), queue, lambda job: (queue.names.job("ml", "echo"), b"{}", b"")
            )
            for state in ("cancelled", "retrying", "accepted"):
                job = queued(new_job)
                outbox.put(job)
                job.state = state
            outbox.open()
            await until(lambda: len(outbox) == 0)
            assert await messages(queue, queue.names.jobs) == 1
            outbox.close()

    asyncio.run(test())


def test_what_is_dropped_is_not_published_and_given_back_unless_it_is_stored(
    broker: RealBroker, new_job: NewJob
) -> None:
    async def test() -> None:
        async with broker.connected() as queue:
            outbox, stored, over, waits, other = outbox_on(queue), *(queued(new_job) for _ in range(4))
            outbox.put(stored)
            await until(lambda: len(outbox) == 0)
            other.task = "other"
            for job in (over, waits, other):
                outbox.put(job)
            over.state = "cancelled"
            assert outbox.drop(["echo"]) == [waits]
            assert len(outbox) == 1
            outbox.close()

    asyncio.run(test())
