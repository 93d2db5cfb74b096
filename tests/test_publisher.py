"""What follows from a commit leaves in one order: acknowledgements, what rooms are shown, then attempts start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from app.effects import Effects, Receipt, Reply
from app.jobs.job import Job
from app.payload import Refused
from app.publisher import Publisher
from app.rooms import Room, Rooms


class World:
    """Notes everything that happens, in order."""

    def __init__(self) -> None:
        self.happened: list[tuple[str, Any]] = []
        self.counted: list[str] = []

    def ack(self, id: bytes, body: bytes) -> None:
        """As a connection."""
        self.happened.append(("ack", (id, body)))

    def broadcast(self, connections: Iterable[Any], body: bytes) -> None:
        """As the transport."""
        self.happened.append(("show", (list(connections), body)))

    def flush(self) -> None:
        """As the transport."""
        self.happened.append(("flush", None))

    def acknowledge(self, receipts: list[bytes]) -> None:
        """As the queue."""
        self.happened.append(("acknowledge", receipts))

    def start(self, job: Job) -> None:
        """As routing."""
        self.happened.append(("start", job.n))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def publisher(world: World, rooms: Rooms) -> Publisher:
    made = Publisher(world, rooms, world.start)
    made.acknowledge = world.acknowledge
    return made


@pytest.fixture
def room(rooms: Rooms) -> Room:
    """With one listener."""
    made = rooms.take_up("lobby", 0)
    made.listeners["ann"] = None
    return made


def job(n: int = 1) -> Job:
    """Accepted."""
    return Job(n=n, id=f"j{n}", room="lobby", task="t", args="{}", path="simple", attempts=1, at=0.0, deadline=0.0)


def test_effects_are_applied_in_the_order_of_their_kinds(world: World, publisher: Publisher, room: Room) -> None:
    effects = Effects()
    effects.start(job(7))
    effects.received(Receipt(b"receipt", 1))
    effects.show("typing", room, {"on": True})
    effects.reply(Reply(world, b"1", world.counted.append), {"seq": 3})
    effects.refuse(Reply(world, b"2", world.counted.append), Refused("busy", "later"))

    publisher.apply(effects)

    assert world.happened == [
        ("ack", (b"1", b'{"ok":true,"seq":3}')),
        ("ack", (b"2", b'{"ok":false,"error":{"code":"busy","message":"later"}}')),
        ("show", (["ann"], b'["typing",{"on":true}]')),
        ("flush", None),
        ("acknowledge", [b"receipt"]),
        ("start", 7),
    ]
    assert world.counted == ["ok", "busy"]


def test_who_wants_no_acknowledgement_gets_none_and_is_counted(world: World, publisher: Publisher) -> None:
    effects = Effects()
    effects.reply(Reply(world, b"", world.counted.append), {})
    publisher.apply(effects)
    assert world.happened == [("flush", None)]
    assert world.counted == ["ok"]


def test_nothing_is_sent_where_there_is_nothing(world: World, publisher: Publisher) -> None:
    publisher.apply(Effects())
    assert world.happened == []


def test_a_receipt_is_for_the_last_of_its_results(world: World, publisher: Publisher) -> None:
    receipt = Receipt(b"receipt", 3)
    for expected in ([], [], [("acknowledge", [b"receipt"])]):
        effects = Effects()
        effects.received(receipt)
        publisher.apply(effects)
        assert world.happened == expected


def test_who_waits_for_a_commit_gets_its_value_unless_it_has_gone(publisher: Publisher) -> None:
    async def test() -> None:
        waiting, gone = (asyncio.get_running_loop().create_future() for _ in range(2))
        gone.cancel()
        effects = Effects()
        for future in (gone, waiting, None):
            effects.answer(future, "value")
        publisher.apply(effects)
        assert await waiting == "value"

    asyncio.run(test())


def test_jobs_are_shown_to_rooms_that_somebody_is_in(world: World, publisher: Publisher, room: Room) -> None:
    publisher.show_jobs([job()])
    assert [what for what, _ in world.happened] == ["show", "flush"]

    room.listeners.clear()
    publisher.show_jobs([job()])
    assert len(world.happened) == 2


def test_rooms_nobody_holds_are_told_nothing(world: World, publisher: Publisher) -> None:
    publisher.show_jobs([job()])
    assert world.happened == []
