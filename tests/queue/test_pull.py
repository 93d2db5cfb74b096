"""Messages are pulled as they come, never more than there is room for, and whatever happens to the broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from app.queue.connection import Queue
from app.queue.pull import Delivery
from tests.broker import RealBroker, messages, until


def on_stream(test: Callable[[Queue, list[Delivery]], Any], broker: RealBroker) -> None:
    """Run the test on a real connection, with a list for what is handed over."""

    async def connected() -> None:
        async with broker.connected() as queue:
            await asyncio.wait_for(test(queue, []), 60)

    asyncio.run(connected())


def put(queue: Queue, *bodies: bytes, headers: bytes = b"") -> None:
    """Messages on the stream of jobs."""
    for body in bodies:
        queue.publish(queue.names.job("ml", "echo"), body, headers, lambda confirmation: None)


def datas(taken: list[Delivery]) -> list[bytes]:
    """What was handed over."""
    return [delivery.data for delivery in taken]


def test_what_is_on_the_stream_is_handed_over_in_order_with_all_there_is_to_know(broker: RealBroker) -> None:
    async def test(queue: Queue, taken: list[Delivery]) -> None:
        put(queue, b"a", headers=b"Spillway-Error: no: luck\r\n")
        put(queue, b"b", b"c")
        await queue.pull(queue.names.jobs, "ml", 10, taken.append)
        await until(lambda: len(taken) == 3)
        put(queue, b"d")
        await until(lambda: len(taken) == 4)
        assert datas(taken) == [b"a", b"b", b"c", b"d"]
        assert [delivery.stream_seq for delivery in taken] == [1, 2, 3, 4]
        assert {delivery.delivered for delivery in taken} == {1}
        assert abs(taken[0].at - time.time()) < 60
        assert taken[0].header("spillway-error") == "no: luck"
        assert taken[0].header("other") is None
        assert taken[1].header("spillway-error") is None

    on_stream(test, broker)


def test_there_is_never_more_than_there_is_room_for(broker: RealBroker) -> None:
    async def test(queue: Queue, taken: list[Delivery]) -> None:
        put(queue, *(b"%d" % n for n in range(20)))
        pull = await queue.pull(queue.names.jobs, "ml", 4, taken.append)
        for expected in range(4, 21, 4):
            await until(lambda expected=expected: len(taken) >= expected)  # type: ignore[misc]
            await queue.depth()  # a round trip: whatever was on its way would be here
            assert len(taken) == expected
            queue.ack([delivery.reply for delivery in taken[-4:]])
            pull.free(4)
        assert datas(taken) == [b"%d" % n for n in range(20)]

    on_stream(test, broker)


def test_what_is_given_back_comes_again(broker: RealBroker) -> None:
    async def test(queue: Queue, taken: list[Delivery]) -> None:
        put(queue, b"a")
        pull = await queue.pull(queue.names.jobs, "ml", 1, taken.append)
        await until(lambda: taken)
        queue.nak(taken[0], 0.01)
        pull.free()
        await until(lambda: len(taken) == 2)
        assert [delivery.delivered for delivery in taken] == [1, 2]
        queue.ack([taken[1].reply])
        while await messages(queue, queue.names.jobs):
            await asyncio.sleep(0.01)

    on_stream(test, broker)


def test_pulling_goes_on_after_the_broker_was_killed(own_broker: RealBroker) -> None:
    async def test(queue: Queue, taken: list[Delivery]) -> None:
        await queue.pull(queue.names.jobs, "ml", 10, taken.append)
        put(queue, b"a")
        await until(lambda: datas(taken) == [b"a"])
        queue.ack([taken[0].reply])
        await queue.depth()
        own_broker.kill()
        await until(lambda: not queue.connected)
        own_broker.restart()
        await until(lambda: queue.connected)
        put(queue, b"b")
        await until(lambda: b"b" in datas(taken))

    on_stream(test, own_broker)


def test_a_request_that_was_never_answered_is_noticed_and_made_anew(broker: RealBroker) -> None:
    async def test(queue: Queue, taken: list[Delivery]) -> None:
        pull = await queue.pull(queue.names.jobs, "ml", 10, taken.append)
        queue.link._handlers.pop(max(queue.link._handlers, key=int))  # what comes on this inbox is lost from now on
        put(queue, b"a")
        await queue.depth()
        for request in pull._open.values():
            request[1] = -1e9  # it was long ago
        await pull.check()
        put(queue, b"b")
        await until(lambda: b"b" in datas(taken))

    on_stream(test, broker)


def test_who_stops_is_given_nothing_more_and_can_still_acknowledge(broker: RealBroker) -> None:
    async def test(queue: Queue, taken: list[Delivery]) -> None:
        pull = await queue.pull(queue.names.jobs, "ml", 2, taken.append)
        put(queue, b"a")
        await until(lambda: taken)
        await pull.stop()
        pull.free()
        put(queue, b"b")
        queue.ack([taken[0].reply])
        while await messages(queue, queue.names.jobs) != 1:
            await asyncio.sleep(0.01)
        assert datas(taken) == [b"a"]

    on_stream(test, broker)
