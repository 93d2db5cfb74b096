"""People who chat while things break, and who resend under the same key until they are acknowledged."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from functools import partial

import nats
import requests

from app import data_dir
from app.compare.client import ChatClient, Findings, Room, audit, stored_room
from app.compare.samples import FINAL
from app.compare.system import System
from app.queue.accounts import inbox_of
from app.settings import from_env
from tests.faults.several import Several

TEXTS = (
    "I have had a headache for two days and nothing helps",
    "Can I move my appointment to Thursday?",
    "Thank you, that was very kind of you",
    "My prescription has run out, can you renew it?",
    "I cannot breathe and my chest hurts",
)
SETTLE_SECONDS = 180.0


@dataclass
class Crowd:
    """Pairs of people in rooms of their own, and everything they remember."""

    system: System
    rooms: int
    random: random.Random
    people: list[ChatClient] = field(default_factory=list)
    stopping: bool = False
    sent: int = 0
    asked: int = 0

    async def gather(self) -> None:
        """Everybody comes."""
        for number in range(self.rooms):
            self.people += [self.client(f"{who}{number}", f"room-{number}") for who in ("ann", "bob")]
        for person in self.people:
            person.ack_timeout = 3.0
        await asyncio.gather(*(person.reconnect() for person in self.people))

    def client(self, name: str, room: str) -> ChatClient:
        """Somebody in a room; where there are several web processes, connected to any of them."""
        if isinstance(self.system, Several):
            return self.system.client(name, room)
        return ChatClient(self.system.url, name, room)

    async def chat(self, gap: float) -> None:
        """Everybody writes, one message each `gap` seconds on average, and sometimes asks for a summary, until told to stop."""
        await asyncio.gather(*(self._talk(person, gap) for person in self.people))

    async def settle(self) -> None:
        """Wait until every job of every room is final, as the server tells it."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            rooms = [await self.room(number) for number in range(self.rooms)]
            if all(job["state"] in FINAL for room in rooms for job in room.jobs):
                return
            await asyncio.sleep(0.5)

    async def room(self, number: int) -> Room:
        """A room as the server has it."""
        name = f"room-{number}"
        return await stored_room(self.client("Auditor", name))

    async def audit(self) -> tuple[Findings, dict[str, int]]:
        """What is wrong, and how many jobs ended in each state."""
        for person in self.people:
            if not person.connected:
                await person.reconnect()
        found, states = Findings(), dict.fromkeys(FINAL, 0)
        for number in range(self.rooms):
            room = await self.room(number)
            found.add(audit(room, [person.record for person in self.people[number * 2 : number * 2 + 2]]))
            for job in room.jobs:
                states[job["state"]] = states.get(job["state"], 0) + 1
        return found, states

    async def close(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(person.close() for person in self.people))

    async def _talk(self, person: ChatClient, gap: float) -> None:
        while not self.stopping:
            await asyncio.sleep(self.random.uniform(0, 2 * gap))
            text = f"{self.random.choice(TEXTS)} ({self.sent})"
            await person.send_until_acknowledged(partial(person.send_message, text))
            self.sent += 1
            if self.random.random() < 0.02:
                await person.send_until_acknowledged(lambda key: person.request_job("summarize", key=key))
                self.asked += 1


async def left_on_streams(system: System) -> list[str]:
    """What is still on the streams of `make run`'s broker though every job is final; one sentence for each stream.

    What was given out just before a stop is given again after ACK_WAIT, so it is looked for until nothing is left.
    """
    url = data_dir.broker_url(from_env({"DATA_DIR": str(system.data)}))
    client = await nats.connect(url, inbox_prefix=inbox_of("operator"))
    try:
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            streams = await client.jetstream().streams_info()  # none, where no flag ever asked for the queue
            left = {
                stream.config.name: stream.state.messages
                for stream in streams
                if stream.config.name in ("JOBS", "RESULTS") and stream.state.messages
            }
            if not left:
                return []
            await asyncio.sleep(0.5)
        return [f"{name} still has {count} messages" for name, count in left.items()]
    finally:
        await client.close()


def dead_letters(system: System) -> list[dict[str, str]]:
    """What the operator would see."""
    found: list[dict[str, str]] = requests.get(f"{system.url}/api/dead-letters", timeout=10).json()["dead_letters"]
    return found
