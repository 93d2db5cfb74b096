"""A task that kills whoever runs it is found out, on both paths, and everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.compare.client import ChatClient
from app.compare.system import System


@pytest.fixture(params=[pytest.param("simple", marks=pytest.mark.slow), "queued"])
def system(request: pytest.FixtureRequest, copy: Path, ml_url: str) -> Iterator[System]:
    """A system of its own: its parts die here."""
    with System(root=copy, ML_URL=ml_url, ACK_WAIT="1") as running:
        running.flag(request.param)
        yield running


async def _ask_and_wait(system: System) -> dict[str, object]:
    person = ChatClient(system.url, "Ann", "r")
    person.ack_timeout = 2.0
    job = await person.send_until_acknowledged(lambda key: person.request_job("deadly", key=key))
    while True:
        await person.reconnect()
        if await person.wait_until_final(1, 2.0):
            break
    after = await person.send_until_acknowledged(
        lambda key: person.request_job("language", {"text": "Guten Morgen"}, key)
    )
    await person.wait_until_final(2, 30.0)
    await person.close()
    assert person.record.jobs[after["id"]]["state"] == "succeeded"
    return person.record.jobs[job["id"]]


def test_poison_ends_as_a_dead_letter_and_the_system_lives(system: System) -> None:
    import asyncio

    job = asyncio.run(asyncio.wait_for(_ask_and_wait(system), 120))

    assert job["state"] == "failed"
    assert system.process.poll() is None
