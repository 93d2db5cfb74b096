"""The private names of nats-py that app/queue/link.py goes by are still there, and what goes past nats-py arrives."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg

from app.queue.link import QuickParser
from tests.broker import RealBroker, until

Received = list[tuple[bytes, bytes, bytes, bytes]]

HEAD = b"NATS/1.0\r\nA: b\r\n\r\n"
TRICKY = b"x\r\nMSG s 1 3\r\nabc\r\n"
PIECES = [
    b"MSG a.b 1 5\r\nhello\r\n",
    b"+OK\r\n",
    b"MSG a.b 1 reply.to 0\r\n\r\n",
    b"MSG foreign 99 5\r\nMSG a\r\n",
    b"HMSG h 1 %d %d\r\n%bbody\r\n" % (len(HEAD), len(HEAD) + 4, HEAD),
    b"HMSG foreign 99 back %d %d\r\n%b\r\n" % (len(HEAD), len(HEAD), HEAD),
    b"MSG t 1 %d\r\n%b\r\n" % (len(TRICKY), TRICKY),
    b"HMSG h 1 back %d %d\r\n%b%b\r\n" % (len(HEAD), len(HEAD) + len(TRICKY), HEAD, TRICKY),
]
EXPECTED: Received = [
    (b"a.b", b"", b"", b"hello"),
    (b"a.b", b"reply.to", b"", b""),
    (b"h", b"", HEAD, b"body"),
    (b"t", b"", b"", TRICKY),
    (b"h", b"back", HEAD, TRICKY),
]
STREAM = b"".join(PIECES)


def parsed(parts: list[bytes]) -> Received:
    """What a parser makes of this, received in these parts."""
    received: Received = []

    async def feed() -> None:
        parser = QuickParser(Client(), {b"1": lambda *message: received.append(message)})
        for part in parts:
            await parser.parse(part)
        assert not parser.buf

    asyncio.run(feed())
    return received


def test_messages_are_whole_wherever_they_are_split() -> None:
    for at in range(len(STREAM) + 1):
        assert parsed([STREAM[:at], STREAM[at:]]) == EXPECTED, f"split after {at} bytes"


def test_messages_are_whole_when_they_come_byte_by_byte() -> None:
    assert parsed([STREAM[at : at + 1] for at in range(len(STREAM))]) == EXPECTED


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_messages_are_whole_in_any_number_of_parts(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    assert parsed([STREAM[a:b] for a, b in itertools.pairwise(places)]) == EXPECTED


def on_connection(test: Callable[[Any], Any], broker: RealBroker) -> None:
    """Run the test on a real connection."""

    async def connected() -> None:
        async with broker.connected() as queue:
            await asyncio.wait_for(test(queue), 30)

    asyncio.run(connected())


def test_what_is_published_arrives_with_headers_and_reply(broker: RealBroker) -> None:
    async def test(queue: Any) -> None:
        link, received = queue.link, Received()
        await link.subscribe("here.*", lambda *message: received.append(message))
        link.publish(b"here.1", b"plain")
        link.publish(b"here.2", b"", reply=b"back")
        link.publish(b"here.3", b"with", headers=b"Nats-Msg-Id: 7\r\n")
        link.publish_to_all([b"here.4", b"here.5"], b"all")
        link.publish(b"here.6", b"x" * 500_000, reply=b"back", headers=b"A: b\r\n")
        await until(lambda: len(received) == 6)
        assert received == [
            (b"here.1", b"", b"", b"plain"),
            (b"here.2", b"back", b"", b""),
            (b"here.3", b"", b"NATS/1.0\r\nNats-Msg-Id: 7\r\n\r\n", b"with"),
            (b"here.4", b"", b"", b"all"),
            (b"here.5", b"", b"", b"all"),
            (b"here.6", b"back", b"NATS/1.0\r\nA: b\r\n\r\n", b"x" * 500_000),
        ]

    on_connection(test, broker)


def test_subscriptions_of_nats_py_on_the_same_connection_still_work(broker: RealBroker) -> None:
    async def test(queue: Any) -> None:
        client, link = queue._client, queue.link
        ours, theirs = list[bytes](), list[bytes]()

        async def foreign(message: Msg) -> None:
            theirs.append(message.data)
            if message.reply:
                await message.respond(message.data)

        await link.subscribe("mixed", lambda subject, reply, headers, data: ours.append(data))
        await client.subscribe("mixed", cb=foreign)
        await client.subscribe("echo", cb=foreign)
        sent = [b"x" * size for size in (0, 1, 10, 70_000, 300_000, 3)]
        for data in sent:
            link.publish(b"mixed", data)
        await until(lambda: len(ours) == len(theirs) == len(sent))
        assert ours == theirs == sent
        assert (await client.request("echo", b"y" * 100_000, timeout=10)).data == b"y" * 100_000
        assert (await queue.depth()) == (0, 0)

    on_connection(test, broker)


def test_a_handler_that_raises_does_not_make_the_connection_deaf(
    broker: RealBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(queue: Any) -> None:
        received = list[bytes]()

        def handler(subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
            received.append(data)
            if data == b"bad":
                raise ZeroDivisionError

        await queue.link.subscribe("here", handler)
        for data in (b"good", b"bad", b"better"):
            queue.link.publish(b"here", data)
        await until(lambda: len(received) == 3)
        assert queue.connected
        assert (await queue.depth()) == (0, 0)

    on_connection(test, broker)
    assert "a message handler failed" in capsys.readouterr().out


def test_a_subscription_that_ended_hears_nothing_more(broker: RealBroker) -> None:
    async def test(queue: Any) -> None:
        first, second = list[bytes](), list[bytes]()
        end = await queue.link.subscribe("here", lambda *message: first.append(message[3]))
        await queue.link.subscribe("here", lambda *message: second.append(message[3]))
        await end()
        queue.link.publish(b"here", b"x")
        await until(lambda: second)
        assert first == []

    on_connection(test, broker)


def test_what_is_sent_in_one_round_is_one_write(broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(queue: Any) -> None:
        writes: list[bytes] = []
        monkeypatch.setattr(queue._client._transport, "write", writes.append)
        for data in (b"1", b"2", b"3"):
            queue.link.publish(b"here", data)
        assert writes == []
        await asyncio.sleep(0)
        assert writes == [b"PUB here  1\r\n1\r\nPUB here  1\r\n2\r\nPUB here  1\r\n3\r\n"]

    on_connection(test, broker)


def test_subscriptions_go_on_after_the_broker_was_killed(own_broker: RealBroker) -> None:
    async def test(queue: Any) -> None:
        received = list[bytes]()
        await queue.link.subscribe("here", lambda *message: received.append(message[3]))
        own_broker.kill()
        await until(lambda: not queue.connected)
        queue.link.publish(b"here", b"lost")  # as documented: whoever sent it sends it again
        own_broker.restart()
        await until(lambda: queue.connected)

        def arrived() -> bool:
            queue.link.publish(b"here", b"back")
            return b"back" in received

        await until(arrived)

    on_connection(test, own_broker)
