"""Results leave a worker in few messages, and are acknowledged only once the broker has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from nats.js.api import StreamConfig

from app.contract import MAX_RESULT_BYTES, ResultMessage
from app.queue import results as module
from app.queue.connection import Queue
from app.queue.results import Results
from app.queue.streams import bring_up_to_date
from app.queue.wire import MAX_BATCH_BYTES, read_results
from tests.broker import RealBroker, messages, until


def on_connection(test: Callable[[Queue, Results, list[str]], Any], broker: RealBroker) -> None:
    """Run the test with results on a real connection, and a list of which are stored."""

    async def connected() -> None:
        async with broker.connected() as queue:
            results = Results(asyncio.get_running_loop(), queue)
            queue.on_reconnect = results.publish_again
            await asyncio.wait_for(test(queue, results, []), 60)

    asyncio.run(connected())


def put(results: Results, stored: list[str], job: str, task: str = "echo", result: bytes = b"{}") -> None:
    """A run has ended."""
    message = ResultMessage(job=job, attempt=1, run=f"run-{job}", state="succeeded")
    results.put(task, message, result, lambda: stored.append(job))


async def on_stream(queue: Queue) -> list[list[ResultMessage]]:
    """All messages of the stream of results, read."""
    state = (await queue._stream.stream_info(queue.names.results)).state
    places = range(state.first_seq, state.last_seq + 1) if state.messages else []
    return [read_results(await queue.data_at(queue.names.results, place)) for place in places]


def test_what_ends_in_one_round_is_one_message_a_task(broker: RealBroker) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        for job in "abc":
            put(results, stored, job)
        put(results, stored, "d", task="other")
        assert stored == []
        await until(lambda: len(stored) == 4)
        assert sorted([result.job for result in batch] for batch in await on_stream(queue)) == [["a", "b", "c"], ["d"]]

    on_connection(test, broker)


def test_no_message_is_too_large_for_the_broker(broker: RealBroker) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        large = b'"' + b"x" * (MAX_RESULT_BYTES - 10) + b'"'
        for job in "abcde":
            put(results, stored, job, result=large)
        await until(lambda: len(stored) == 5)
        batches = await on_stream(queue)
        assert [result.job for batch in batches for result in batch] == list("abcde")
        assert len(batches) > 1
        assert all(len(batch) * len(large) <= MAX_BATCH_BYTES for batch in batches)

    on_connection(test, broker)


def test_a_result_past_the_bound_is_a_failure_that_says_so(broker: RealBroker) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        put(results, stored, "a", result=b"x" * (MAX_RESULT_BYTES + 1))
        await until(lambda: stored)
        (((result),),) = await on_stream(queue)
        assert result.state == "failed"
        assert result.error is not None
        assert result.error.code == "result_too_large"

    on_connection(test, broker)


def test_results_wait_for_a_stream_that_is_away(broker: RealBroker) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        await queue._stream.delete_stream(queue.names.results)
        put(results, stored, "a")
        await until(lambda: any(batch.due for batch in results._batches))
        assert stored == []
        await bring_up_to_date(queue._stream, queue.names, queue._settings, ["ml"])

        def checked() -> bool:
            results.check()
            return bool(stored)

        await until(checked)
        assert await messages(queue, queue.names.results) == 1

    on_connection(test, broker)


def test_results_are_published_again_when_the_broker_is_back_and_stored_once(own_broker: RealBroker) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        put(results, stored, "a")
        await until(lambda: stored)
        own_broker.kill()
        put(results, stored, "b")
        await until(lambda: not queue.connected)
        own_broker.restart()
        await until(lambda: stored == ["a", "b"])
        results.publish_again()
        assert await messages(queue, queue.names.results) == 2

    on_connection(test, own_broker)


def test_what_is_not_confirmed_in_time_is_published_again(broker: RealBroker, monkeypatch: Any) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        put(results, stored, "a")
        await asyncio.sleep(0)
        (batch,) = results._batches
        queue.forget(batch.token)  # its confirmation is lost
        await queue.depth()
        assert stored == []
        monkeypatch.setattr(module, "CONFIRM_SECONDS", -1.0)
        results.check()
        await until(lambda: stored)
        assert await messages(queue, queue.names.results) == 1

    on_connection(test, broker)


def test_of_a_message_the_broker_refuses_for_good_each_result_is_tried_alone(broker: RealBroker) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        names = queue.names
        await queue._stream.delete_stream(names.results)
        await queue._stream.add_stream(StreamConfig(name=names.results, subjects=[names.result("*")], max_msg_size=400))
        for job, size in (("a", 100), ("b", 1000), ("c", 100)):
            put(results, stored, job, result=b'"' + b"x" * size + b'"')
        await until(lambda: len(stored) == 3)
        found = {result.job: result for batch in await on_stream(queue) for result in batch}
        assert {job: result.state for job, result in found.items()} == {
            "a": "succeeded",
            "b": "failed",
            "c": "succeeded",
        }

    on_connection(test, broker)


def test_word_of_a_run_that_goes_on_is_sent_at_once(broker: RealBroker) -> None:
    async def test(queue: Queue, results: Results, stored: list[str]) -> None:
        results.announce("echo", "a", 2, "r")
        while not await messages(queue, queue.names.results):
            await asyncio.sleep(0.01)
        ((result,),) = await on_stream(queue)
        assert (result.job, result.attempt, result.run, result.state) == ("a", 2, "r", "running")

    on_connection(test, broker)
