"""worker-check says what is wrong with how a worker tells a text."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import nats
import pytest
from msgspec import Raw
from nats.aio.client import Client
from nats.aio.msg import Msg

from app.contract import ResultMessage
from app.queue.names import Names
from app.queue.text_check import TextCheck
from tests.broker import WAIT, RealBroker, until

RIGHT = [(0, "one "), (4, "two 😀 "), (10, "three")]
TEXT = "one two 😀 three"


def piece(offset: int, text: str, attempt: int = 1) -> bytes:
    """A piece as a worker sends it."""
    return json.dumps({"attempt": attempt, "run": "r", "offset": offset, "text": text}).encode()


async def answers(client: Client, subject: str) -> None:
    """Wait until the broker knows what this client listens to; its PING may overtake a subscription."""
    await client.request(subject, b"", timeout=WAIT)


def verdict(
    broker: RealBroker, pieces: list[bytes], final: str, task: str = "tell", answer: bytes | None = None
) -> str:
    """What is said of a worker that sends this."""

    async def check() -> str:
        names = Names(f"t{secrets.token_hex(4)}")
        ours, theirs = await nats.connect(broker.url), await nats.connect(broker.url)

        async def respond(message: Msg) -> None:
            await message.respond(answer or b"")

        if answer is not None:
            await theirs.subscribe(names.text("*"), cb=respond)
            await answers(theirs, names.text("nobody"))
        checked = TextCheck(ours, names, "tell")
        await checked.listen()
        checked.watch("job")
        for data in pieces:  # over the connection that listens: over another they could overtake its subscription
            await ours.publish(names.delta(task, "job"), data)
        await ours.flush()
        told = checked._told["job"]
        await until(lambda: told.pieces + len(told.wrong) >= len(pieces))
        result = Raw(json.dumps({"text": final}).encode())
        found = await checked.wrong(ResultMessage(job="job", attempt=1, run="r", state="succeeded", result=result))
        await ours.close()
        await theirs.close()
        return found

    return asyncio.run(check())


def test_one_that_tells_its_text_right_is_found_right(broker: RealBroker) -> None:
    pieces = [piece(*each) for each in RIGHT]
    assert verdict(broker, pieces, TEXT, answer=piece(0, "one two 😀 ")) == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pieces": []}, "no piece of the text came on"),
        ({"final": "something else"}, "the pieces joined are not `result.text`"),
        ({"pieces": [piece(0, "one "), piece(5, "two")]}, "a piece is at offset 5, where 4 code points were told"),
        ({"pieces": [piece(0, TEXT, attempt=2)]}, "a piece says attempt 2: 1 is right"),
        ({"pieces": [piece(0, "a\x00b")]}, "a piece cannot be read: character U+0000 is not allowed"),
        ({"pieces": [b'{"attempt":1,"run":"r","text":"x"}']}, "missing required field `offset`"),
        ({"pieces": [piece(8190, "xyz")]}, "at most 8192 code points"),
        ({"task": "other"}, "deltas.tell.job is right"),
        ({"answer": None}, "was not answered while the job ran"),
        ({"answer": b"{}"}, "cannot be read"),
        ({"answer": piece(0, "else")}, "is not what was told"),
    ],
)
def test_what_is_wrong_is_said(broker: RealBroker, wrong: dict[str, Any], words: str) -> None:
    told = {"pieces": [piece(*each) for each in RIGHT], "final": TEXT, "answer": piece(0, TEXT)} | wrong
    assert words in verdict(broker, **told)
