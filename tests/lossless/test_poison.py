"""A task that kills whoever runs it is found out, on both paths, and everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.drive.client import Person
from app.drive.system import System


@pytest.fixture(params=["simple", "queued"])
def system(request: pytest.FixtureRequest, copy: Path) -> Iterator[System]:
    """A system of its own: its parts die here."""
    with System(root=copy, ACK_WAIT="1") as running:
        running.flag(request.param)
        yield running


async def _ask_and_wait(system: System) -> dict[str, object]:
    person = Person(system.url, "Ann", "r")
    person.patience = 2.0
    job = await person.insist(lambda key: person.ask("deadly", key=key))
    while True:
        await person.come_back()
        if await person.settled(1, 2.0):
            break
    after = await person.insist(lambda key: person.ask("language", {"text": "Guten Morgen"}, key))
    await person.settled(2, 30.0)
    await person.close()
    assert person.books.jobs[after["id"]]["state"] == "succeeded"
    return person.books.jobs[job["id"]]


def test_poison_ends_as_a_dead_letter_and_the_system_lives(system: System) -> None:
    import asyncio

    job = asyncio.run(asyncio.wait_for(_ask_and_wait(system), 120))

    assert job["state"] == "failed"
    assert system.process.poll() is None
