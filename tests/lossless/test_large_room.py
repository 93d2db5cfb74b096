"""A room that a thousand people enter at once, as after a deploy."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from app.concurrency.listening import allow_many_files
from tests.guest import WAIT
from tests.web import Web

PEOPLE = 1000


class Visitor:
    """Somebody who enters the room, and counts what arrives."""

    def __init__(self, number: int) -> None:
        self.name, self.packets, self.bytes = f"Guest {number}", 0, 0
        self.joined: dict[str, Any] = {}
        self.count = 0

    async def enter(self, url: str) -> ClientConnection:
        """Connect and join; returns when the join is acknowledged."""
        socket = await connect(f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket", max_size=None)
        await self._receive(socket)
        await socket.send("40" + json.dumps({"name": self.name}))
        await self._receive(socket)
        await socket.send('420["room:join",{"room":"large"}]')
        while not self.joined:
            await self._receive(socket)
        return socket

    async def stay_until_all_are_here(self, socket: ClientConnection) -> None:
        """Returns once the room has said that everybody came."""
        while self.count < PEOPLE:
            await self._receive(socket)

    async def _receive(self, socket: ClientConnection) -> None:
        packet = str(await socket.recv())
        self.packets, self.bytes = self.packets + 1, self.bytes + len(packet)
        if packet == "2":
            await socket.send("3")
        elif packet.startswith("430"):
            (self.joined,) = json.loads(packet[3:])
            self.count = self.joined["member_count"]
        elif packet.startswith('42["room:members"'):
            self.count = json.loads(packet[2:])[1]["count"]


async def everybody_enters(url: str) -> list[Visitor]:
    visitors = [Visitor(number) for number in range(PEOPLE)]
    async with asyncio.timeout(WAIT):
        sockets = await asyncio.gather(*(visitor.enter(url) for visitor in visitors))
        await asyncio.gather(*map(Visitor.stay_until_all_are_here, visitors, sockets))
    await asyncio.gather(*(socket.close() for socket in sockets))
    return visitors


def test_a_thousand_who_enter_a_room_cost_thousands_of_packets_and_not_a_million(tmp_path: Path) -> None:
    allow_many_files()
    with Web(tmp_path, RATE_LIMIT="off") as web:
        visitors = asyncio.run(everybody_enters(web.url))
    assert all(len(visitor.joined["members"]) <= 200 for visitor in visitors)
    assert sum(visitor.packets for visitor in visitors) < 30_000
    assert sum(visitor.bytes for visitor in visitors) < 60_000_000
