"""People with different rooms hear nothing of each other's, whatever they join, leave and renew."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from app.compare.system import System
from tests.guest import SECRETS, Raw, signed

STEPS = 50_000
AT_ONCE = 50  # steps of one person that are on their way
SEED = 20261130
ROOMS = [f"{ward}-{number}" for ward in "ab" for number in range(4)]
PATTERNS = [*ROOMS, "a-*", "b-*", "*-1"]


class Somebody:
    """One person with changing rooms, who checks everything heard against what was acknowledged so far."""

    def __init__(self, url: str, name: str, chance: random.Random) -> None:
        self.name, self._chance, self._secret = name, chance, SECRETS[url]
        self._socket = Raw(url, {"token": self._token(PATTERNS)})
        self._asked: list[tuple[str, str]] = []  # event and room of what is not acknowledged yet, in order
        self.inside: set[str] = set()
        self.heard = self.steps = 0

    def go_on(self) -> None:
        """Take some steps, and hear what comes until the last is acknowledged."""
        for _ in range(AT_ONCE):
            self._step()
        while self._asked:
            packet = self._socket.receive()
            assert packet is not None, f"{self.name} was cut off"
            if packet.startswith("43"):
                self._acknowledged(json.loads(packet[packet.index("[") :])[0])
            elif packet.startswith("42"):
                self._hear(*json.loads(packet[2:]))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _step(self) -> None:
        kind = self._chance.choices(["room:join", "room:leave", "auth:renew", "typing"], [8, 2, 1, 9])[0]
        room = self._chance.choice(ROOMS)
        data: dict[str, object] = {"room": room}
        if kind == "auth:renew":
            data = {"token": self._token(self._chance.sample(PATTERNS, self._chance.randrange(7)))}
        elif kind == "typing":
            data["on"] = True
        self._asked.append((kind, room))
        self._socket.send(f"42{self.steps}{json.dumps([kind, data])}")
        self.steps += 1

    def _acknowledged(self, ack: dict[str, object]) -> None:
        kind, room = self._asked.pop(0)
        if kind == "room:join" and ack["ok"]:
            self.inside.add(room)
        elif kind == "room:leave" and ack["ok"]:
            self.inside.discard(room)

    def _hear(self, event: str, data: dict[str, str]) -> None:
        if event == "room:removed":
            self.inside.remove(data["room"])
            return
        if event == "flag:changed":
            return
        # What is being joined may be heard before it is acknowledged.
        joining = {room for kind, room in self._asked if kind == "room:join"}
        assert data["room"] in self.inside | joining, f"{self.name} heard {event} of {data['room']}"
        self.heard += 1

    def _token(self, rooms: list[str]) -> str:
        return signed(self._secret, sub=self.name, name=self.name, rooms=rooms)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eventlet with tokens", "threading with tokens"])
def test_nobody_hears_a_room_that_is_not_theirs(systems: Callable[[str], System], mode: str) -> None:
    url, chance = systems(mode).url, random.Random(SEED)
    people = [Somebody(url, name, chance) for name in ("ada", "ben")]
    while sum(each.steps for each in people) < STEPS:
        for each in people:
            each.go_on()
    for each in people:
        each.close()
    assert min(each.heard for each in people) > STEPS / 100, [each.heard for each in people]  # they did hear each other
