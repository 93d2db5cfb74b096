"""Several servers that do not know of each other, as one: while any of them is there, nothing waits and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.paths.stranded import Stranded
from app.queue.confirmation import Confirmation
from app.queue.connection import PLACES
from app.queue.names import RESULTS_CONSUMER
from app.queue.pull import Delivery, marked, server_of
from app.queue.servers import Servers, places_of
from app.settings import from_env
from tests.broker import WAIT, RealBroker, messages, until


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[RealBroker]]:
    """Two real servers."""
    with contextlib.ExitStack() as stack:
        made = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            made.append(RealBroker(tmp_path / name))
            stack.callback(made[-1].close)
        yield made


@contextlib.asynccontextmanager
async def connected(brokers: list[RealBroker]) -> AsyncIterator[Servers]:
    """Connections to both, with streams."""
    settings = from_env({"NATS_URL": "|".join(broker.url for broker in brokers)})
    servers = Servers(settings, ["ml"], lambda words: None)
    await asyncio.wait_for(asyncio.gather(*(queue.connect() for queue in servers.all)), WAIT)
    try:
        yield servers
    finally:
        await servers.close()


async def published(servers: Servers, count: int) -> list[Confirmation]:
    """So many jobs, once the broker has confirmed each."""
    stored: list[Confirmation] = []
    for number in range(count):
        servers.publish(servers.names.job("ml", "echo"), b"{}", b"Nats-Msg-Id: %d\r\n" % number, stored.append)
    await until(lambda: len(stored) == count)
    return stored


def test_what_is_published_is_spread_and_a_place_says_on_which_server(two: list[RealBroker]) -> None:
    async def test() -> None:
        async with connected(two) as servers:
            stored = await published(servers, 60)
            counts = [await messages(queue, servers.names.jobs) for queue in servers.all]
            assert sum(counts) == 60
            assert all(counts)
            assert sorted(each.seq for each in stored) == [
                *range(1, counts[0] + 1), *range(PLACES + 1, PLACES + counts[1] + 1),
            ]  # fmt: skip
            assert await servers.newest_places() == [(0, counts[0]), (PLACES, PLACES + counts[1])]
            assert (await servers.depth())[0] == 60

    asyncio.run(test())


def test_while_one_is_gone_the_other_takes_all_of_it(two: list[RealBroker]) -> None:
    async def test() -> None:
        async with connected(two) as servers:
            two[0].kill()
            await until(lambda: not servers.all[0].connected)
            assert servers.connected
            await published(servers, 20)
            assert await messages(servers.all[1], servers.names.jobs) == 20

    asyncio.run(test())


def test_one_without_its_streams_counts_as_away_and_fails_for_nobody_else(two: list[RealBroker]) -> None:
    async def test() -> None:
        async with connected(two) as servers:
            await published(servers, 20)
            kept = await messages(servers.all[1], servers.names.jobs)
            stranded: list[tuple[int, int]] = []

            async def strand(places: tuple[int, int]) -> None:
                stranded.append(places)

            watch = Stranded(servers, asyncio.get_running_loop(), 0.0)
            watch.strand = strand
            await watch.look()
            two[0].kill()
            await until(lambda: not servers.all[0].connected)
            two[0].restart(with_streams=False)
            await until(lambda: servers.all[0].connected)

            assert await servers.newest_places() == [(PLACES, PLACES + kept)]
            assert await servers.depth() == (kept, (await servers.all[1].depth())[1])
            assert servers.well == {1}
            for _ in range(2):
                await watch.look()
            assert stranded == [places_of(0)]

    asyncio.run(test())


def test_what_is_acknowledged_comes_off_the_server_that_gave_it(two: list[RealBroker]) -> None:
    async def test() -> None:
        async with connected(two) as servers:
            given: list[Delivery] = []
            names = servers.names
            for queue in servers.all:
                await queue.pull(names.results, RESULTS_CONSUMER, 10, given.append)
                queue.publish(names.result("echo"), b"{}", b"", lambda confirmation: None)
            await until(lambda: len(given) == 2)
            assert sorted(server_of(each.reply)[0] for each in given) == [0, 1]
            assert {each.stream_seq for each in given} == {1}
            servers.ack([each.reply for each in given if server_of(each.reply)[0] == 1])
            await until_empty(servers.all[1], names.results)
            assert await messages(servers.all[0], names.results) == 1

    asyncio.run(test())


def test_the_mark_of_a_delivery_is_read_as_it_was_made() -> None:
    reply = b"$JS.ACK.RESULTS.chat.1.2.3.4.5"
    assert server_of(marked(0, reply)) == (0, reply)
    assert server_of(marked(12, reply)) == (12, reply)
    assert Delivery(b"s", marked(12, reply), b"", b"").stream_seq == 2


async def until_empty(queue: Any, stream: str) -> None:
    """Wait until a stream holds nothing."""
    while await messages(queue, stream):
        await asyncio.sleep(0.01)
