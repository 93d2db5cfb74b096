"""Whose a room is, on a real database, while others take this process for dead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.ownership.owners import Owners
from app.ownership.processes import Processes
from app.rooms import Room, Rooms
from app.store.store import Store
from tests.cluster import Cluster
from tests.own_loop import OwnLoop


@pytest.fixture
def store(own: OwnLoop, cluster: Cluster) -> Iterator[Store]:
    """A database that several may share."""
    opened = Store(cluster.database(), own)
    yield opened
    own.run(opened.close())


async def _nothing(_: object) -> None:
    """There are no jobs, and nobody is here."""


def test_a_room_that_is_found_is_in_memory_also_when_it_was_lost_at_that_moment(store: Store, own: OwnLoop) -> None:
    """Else whoever enters it is in a room that nobody knows."""
    rooms, lost = Rooms(), list[Room]()
    processes = Processes(store, "me", "http://127.0.0.1:1", own.loop)
    owners = Owners(store, rooms, processes, _nothing, lambda room: None, _nothing)

    def lose_the_first(room: Room) -> None:
        if room.ours and not lost:
            lost.append(room)
            own.loop.create_task(owners.start_anew())

    async def find() -> Room:
        await processes.register()
        owners.changed = lose_the_first
        return await owners.room("lobby")

    found = own.run(find())
    assert lost
    assert rooms.find("lobby") is found
