"""Web processes hear each other in order over a real broker, and notice what gets lost on the way."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.backplane.backplane import BEAT_SECONDS, Backplane
from app.queue.bus import Bus
from app.settings import from_env
from tests.broker import WAIT, RealBroker, until


class Leaky(Bus):
    """A bus of which a test can say that it loses the next messages."""

    losing = 0
    published = 0

    def publish(self, process: str, payload: bytes) -> None:
        """As the original, unless it is lost."""
        self.published += 1
        if self.losing:
            self.losing -= 1
        else:
            super().publish(process, payload)


class Process:
    """One process among others, and what it hears."""

    def __init__(self, url: str, prefix: str, name: str) -> None:
        self.bus = Leaky(from_env({"NATS_URL": url, "NATS_PREFIX": prefix}), lambda words: None)
        self.backplane = Backplane(self.bus, name, asyncio.get_running_loop())
        self.heard: list[Any] = []
        self.gaps: list[str] = []
        self.silent: list[str] = []
        self.returned: list[str] = []
        self.backplane.handle("word", lambda sender, *values: self.heard.append((sender, *values)))
        self.backplane.on_gap = self.gaps.append
        self.backplane.on_silent, self.backplane.on_return = self.silent.append, self.returned.append


@asynccontextmanager
async def processes(broker: RealBroker, *names: str) -> AsyncIterator[list[Process]]:
    """Some processes who know each other."""
    prefix = f"t{secrets.token_hex(4)}"
    some = [Process(broker.url, prefix, name) for name in names]
    for each in some:
        await each.backplane.connect()
        for name in names:
            if name != each.backplane.me:
                each.backplane.meet(name)
    for each in some:
        each.backplane.beat()
    await until(lambda: all(len(each.backplane.others) == len(names) - 1 for each in some))
    try:
        yield some
    finally:
        for each in some:
            await each.backplane.close()


def on_loop(test: Callable[[RealBroker], Any]) -> Callable[[RealBroker], None]:
    """Run a test that is a coroutine."""

    def run(broker: RealBroker) -> None:
        asyncio.run(test(broker))

    run.__name__ = test.__name__
    return run


@on_loop
async def test_what_is_sent_in_a_loop_round_is_one_message_and_arrives_in_order(broker: RealBroker) -> None:
    async with processes(broker, "a", "b", "c") as (a, b, c):
        before = a.bus.published
        for number in range(500):
            a.backplane.send("b", "word", number, b"\x00\xff")
        await until(lambda: len(b.heard) == 500)
        assert b.heard == [("a", number, b"\x00\xff") for number in range(500)]
        assert a.bus.published == before + 1
        assert c.heard == []
        assert not b.gaps


@on_loop
async def test_a_frame_that_is_larger_than_a_message_is_sent_by_itself(broker: RealBroker) -> None:
    async with processes(broker, "a", "b") as (a, b):
        large = secrets.token_bytes(600_000)
        for each in (b"before", large, b"after"):
            a.backplane.send("b", "word", each)
        await until(lambda: len(b.heard) == 3)
        assert [each for _, each in b.heard] == [b"before", large, b"after"]


@on_loop
async def test_who_misses_a_message_is_told_with_the_next(broker: RealBroker) -> None:
    async with processes(broker, "a", "b") as (a, b):
        a.backplane.send("b", "word", 1)
        await until(lambda: b.heard)
        a.bus.losing = 1
        a.backplane.send("b", "word", 2)
        await asyncio.sleep(0)
        await until(lambda: not a.bus.losing)
        assert not b.gaps
        a.backplane.send("b", "word", 3)
        await until(lambda: len(b.heard) == 2)
        assert b.gaps == ["a"]


@on_loop
async def test_who_misses_the_last_message_is_told_with_the_beat(broker: RealBroker) -> None:
    async with processes(broker, "a", "b") as (a, b):
        a.backplane.send("b", "word", 1)
        await until(lambda: b.heard)
        a.bus.losing = 1
        a.backplane.send("b", "word", 2)
        await until(lambda: not a.bus.losing)
        a.backplane.beat()
        await until(lambda: b.gaps)
        a.backplane.beat()
        a.backplane.send("b", "word", 3)
        await until(lambda: len(b.heard) == 2)
        assert b.gaps == ["a"]


@on_loop
async def test_a_process_that_falls_silent_is_noticed_and_so_is_its_return(broker: RealBroker) -> None:
    async with processes(broker, "a", "b") as (a, b):
        while not b.silent:
            b.backplane.beat()
            await asyncio.sleep(BEAT_SECONDS)
        assert b.silent == ["a"]
        assert b.backplane.others == []
        a.backplane.beat()
        await until(lambda: b.returned)
        assert b.backplane.others == ["a"]


def test_processes_meet_on_the_first_server_that_is_there(tmp_path: Path) -> None:
    with ExitStack() as stack:
        brokers = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            brokers.append(RealBroker(tmp_path / name))
            stack.callback(brokers[-1].close)

        async def test() -> None:
            brokers[0].kill()
            some = [Process("|".join(broker.url for broker in brokers), "t", name) for name in ("before", "after")]
            before, after = some
            await before.backplane.connect()
            brokers[0].restart()
            await after.backplane.connect()
            before.backplane.meet("after")
            after.backplane.meet("before")
            assert before.bus._client.connected_url != after.bus._client.connected_url
            heard: set[str] = set()
            while heard != {"before", "after"}:
                for each in some:
                    each.backplane.beat()
                    each.backplane.send("after" if each is before else "before", "word")
                    await each.backplane.listen_again()
                await asyncio.sleep(BEAT_SECONDS)
                heard = {sender for each in some for sender, *_ in each.heard}
            for each in some:
                await each.backplane.close()

        asyncio.run(asyncio.wait_for(test(), WAIT))


@pytest.mark.slow
@on_loop
async def test_a_process_that_does_not_hear_itself_connects_anew(broker: RealBroker) -> None:
    async with processes(broker, "a", "b") as (a, b):
        client = a.bus._client
        for subscription in list(client._subs):  # the broker forgets them, and the connection stands
            await client._send_unsubscribe(subscription)
        while not a.backplane.is_deaf():
            a.backplane.beat()
            await asyncio.sleep(BEAT_SECONDS)
        await a.backplane.listen_again()
        b.backplane.send("a", "word", "back")
        await until(lambda: a.heard)
        a.backplane.beat()
        await until(lambda: not a.backplane.is_deaf())
