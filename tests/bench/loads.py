"""What the clients do: each load sends, checks every answer, and notes how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import count, cycle, islice
from typing import Any

import msgspec

from tests.bench.crowd import Client, LoadFailed
from tests.bench.dialects import UPDATE, Dialect
from tests.bench.frames import FIRST_NUMBER, Template

ACK_OK = b'[{"ok":true'
numbers = count(FIRST_NUMBER)  # of messages, unique in this process
Templates = dict[Client, Template]


class Load:
    """Some clients with one purpose. `done` counts what is complete, `seconds` holds how long each took."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self.clients = list(clients)
        self.done = 0
        self.seconds: list[float] = []
        self.stopping = False
        self._sent: dict[int, float] = {}  # when it was sent, or due, by its number
        for client in self.clients:
            client.listener = self

    def begin(self) -> None:
        """Send the first of it."""

    def tick(self, now: float) -> float:
        """Send what is due; returns when to call again."""
        return now + 1.0

    def outstanding(self) -> int:
        """How many answers are missing."""
        return len(self._sent)

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        """Take the packets that arrived together."""
        raise NotImplementedError

    def _acknowledged(self, payload: bytes) -> int:
        """The number of the message that this ack is for, or LoadFailed unless it was sent and accepted."""
        if payload[9:20] != ACK_OK:
            raise LoadFailed(f"refused: {payload[:300].decode(errors='replace')}")
        number = int(payload[2:9])
        if number not in self._sent:
            raise LoadFailed(f"an ack for message {number}, which waits for none")
        return number


class Acks(Load):
    """`window` messages in flight for each client, the next one when one is acknowledged.

    With a dialect each message must also be shown to its sender, who is alone in a room.
    """

    def __init__(self, templates: Templates, window: int, shown_as: Dialect | None) -> None:
        super().__init__(templates)
        self._templates, self._window = templates, window
        self._delivery = shown_as.delivery if shown_as else b"?"
        self._hidden = 0 if shown_as else None  # messages acknowledged and not shown yet; None: nothing is shown

    def begin(self) -> None:
        for client in self.clients:
            client.send(self._next(client, self._window, time.perf_counter()))

    def outstanding(self) -> int:
        return len(self._sent) + abs(self._hidden or 0)

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        now, acknowledged, shown = time.perf_counter(), 0, 0
        for payload in payloads:
            if payload[:2] == b"43":
                self.seconds.append(now - self._sent.pop(self._acknowledged(payload)))
                acknowledged += 1
            elif payload.startswith(self._delivery):
                shown += 1
        self.done += acknowledged
        if self._hidden is not None:
            self._hidden += shown - acknowledged
        if acknowledged and not self.stopping:
            client.send(self._next(client, acknowledged, now))

    def _next(self, client: Client, how_many: int, now: float) -> bytes:
        sending = list(islice(numbers, how_many))
        self._sent.update(dict.fromkeys(sending, now))
        return b"".join(map(self._templates[client].fill, sending))


class Paced(Load):
    """So many messages a second from all clients in turn; each takes from the moment it was due until its ack."""

    def __init__(self, templates: Templates, rate: float, most_in_flight: int = 10_000) -> None:
        super().__init__(templates)
        self._turns = cycle(templates.items())
        self._gap, self._most = 1 / rate, most_in_flight
        self._due = 0.0

    def begin(self) -> None:
        self._due = time.perf_counter()

    def tick(self, now: float) -> float:
        while self._due <= now and not self.stopping and len(self._sent) < self._most:
            client, template = next(self._turns)
            number = next(numbers)
            self._sent[number] = self._due
            client.send(template.fill(number))
            self._due += self._gap
        return now + 1.0 if self.stopping else max(self._due, now + 0.0001)

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        now = time.perf_counter()
        for payload in payloads:
            if payload[:2] == b"43":
                self.seconds.append(now - self._sent.pop(self._acknowledged(payload)))
                self.done += 1


class Fan(Load):
    """One room, `window` messages in flight in all; each is complete when acknowledged and shown to every member.

    `done` counts deliveries, `seconds` the time until the last member had a message.
    """

    def __init__(self, templates: Templates, window: int, dialect: Dialect) -> None:
        super().__init__(templates)
        self._turns = cycle(templates.items())
        self._window, self._dialect = window, dialect
        self._left: dict[int, int] = {}
        self._seen: dict[bytes, int] = {}  # a delivery is the same bytes for every member: read once

    def begin(self) -> None:
        for _ in range(self._window):
            self._send(time.perf_counter())

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        for payload in payloads:
            number = self._seen.get(payload)
            if number is None:
                number = self._read(payload)
                if number is None:
                    continue
            else:
                self.done += 1
            self._left[number] -= 1
            if not self._left[number]:
                self._complete(number)

    def _read(self, payload: bytes) -> int | None:
        if payload[:2] == b"43":
            return self._acknowledged(payload)
        if not payload.startswith(self._dialect.delivery):
            return None
        found = self._dialect.number.search(payload)
        number = int(found[1]) if found else 0
        if number not in self._left:
            raise LoadFailed(f"message {number} was shown too often, or never sent: {payload[:120]!r}")
        if len(self._seen) > 64:
            self._seen.clear()
        self._seen[payload] = number
        self.done += 1
        return number

    def _complete(self, number: int) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self._sent.pop(number))
        del self._left[number]
        self._seen = {payload: of for payload, of in self._seen.items() if of != number}
        if not self.stopping:
            self._send(now)

    def _send(self, now: float) -> None:
        client, template = next(self._turns)
        number = next(numbers)
        self._sent[number], self._left[number] = now, 1 + len(self.clients)
        client.send(template.fill(number))


class Update(msgspec.Struct):
    """What the generator reads of a `job:update`."""

    task: str
    state: str
    key: str | None = None
    message: int | None = None
    error: Any = None


class Acknowledged(msgspec.Struct):
    """What the generator reads of the ack of a message: its place in the room."""

    class Message(msgspec.Struct):
        """The message as it was stored."""

        seq: int

    message: Message


_read_updates = msgspec.json.Decoder(tuple[str, Update]).decode
_read_acks = msgspec.json.Decoder(tuple[Acknowledged]).decode


def read_update(payload: bytes) -> Update | None:
    """The update of a job that ended well, None for one under way; LoadFailed for one that ended otherwise."""
    update = _read_updates(payload[2:])[1]
    if update.state in ("failed", "cancelled", "skipped"):
        raise LoadFailed(f"job {update.task} ended as {update.state}: {update.error}")
    return update if update.state == "succeeded" else None


class Jobs(Load):
    """`window` jobs in flight for each client; one is complete when acknowledged and its update says succeeded."""

    def __init__(self, templates: Templates, window: int) -> None:
        super().__init__(templates)
        self._templates, self._window = templates, window
        self._left: dict[int, int] = {}

    def begin(self) -> None:
        for client in self.clients:
            for _ in range(self._window):
                self._send(client, time.perf_counter())

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        for payload in payloads:
            if payload[:2] == b"43":
                number = self._acknowledged(payload)
            elif payload.startswith(UPDATE) and (update := read_update(payload)) and update.key:
                number = int(update.key[1:8])
                if number not in self._left:
                    raise LoadFailed(f"job {number} succeeded twice, or was never asked for")
            else:
                continue
            self._left[number] -= 1
            if not self._left[number]:
                self._complete(client, number)

    def _complete(self, client: Client, number: int) -> None:
        self.done += 1
        self.seconds.append(time.perf_counter() - self._sent.pop(number))
        del self._left[number]
        self._ended(client)

    def _ended(self, client: Client) -> None:
        if not self.stopping:
            self._send(client, time.perf_counter())

    def _send(self, client: Client, due: float) -> None:
        number = next(numbers)
        self._sent[number], self._left[number] = due, 2
        client.send(self._templates[client].fill(number))


class PacedJobs(Jobs):
    """So many jobs a second from all clients in turn; each takes from the moment it was due."""

    def __init__(self, templates: Templates, rate: float) -> None:
        super().__init__(templates, 0)
        self._turns, self._gap, self._due = cycle(templates), 1 / rate, 0.0

    def begin(self) -> None:
        self._due = time.perf_counter()

    def tick(self, now: float) -> float:
        while self._due <= now and not self.stopping:
            self._send(next(self._turns), self._due)
            self._due += self._gap
        return now + 1.0 if self.stopping else max(self._due, now + 0.0001)

    def _ended(self, client: Client) -> None:
        """The next one is sent when it is due."""


class MessagesWithJobs(Load):
    """`window` messages in flight for each client; one is complete when each of `tasks` has succeeded for it."""

    def __init__(self, templates: Templates, window: int, tasks: Iterable[str]) -> None:
        super().__init__(templates)
        self._templates, self._window, self._tasks = templates, window, frozenset(tasks)
        self._succeeded: dict[tuple[Client, int], int] = {}
        self._in_flight = 0

    def begin(self) -> None:
        for client in self.clients:
            for _ in range(self._window):
                self._send(client)

    def outstanding(self) -> int:
        return self._in_flight

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        for payload in payloads:
            if payload[:2] == b"43":
                self.seconds.append(time.perf_counter() - self._sent.pop(self._acknowledged(payload)))
                seq = _read_acks(payload[9:])[0].message.seq
            elif payload.startswith(UPDATE) and (update := read_update(payload)) and update.task in self._tasks:
                seq = update.message or 0
            else:
                continue
            which = (client, seq)
            self._succeeded[which] = self._succeeded.get(which, 0) + 1
            if self._succeeded[which] == len(self._tasks) + 1:  # and its ack
                del self._succeeded[which]
                self._complete(client)

    def _complete(self, client: Client) -> None:
        self.done += 1
        self._in_flight -= 1
        if not self.stopping:
            self._send(client)

    def _send(self, client: Client) -> None:
        number = next(numbers)
        self._sent[number] = time.perf_counter()
        self._in_flight += 1
        client.send(self._templates[client].fill(number))


def templates(clients: Iterable[Client], make: Callable[[str], Template]) -> Templates:
    """One template a client, for its room."""
    return {client: make(client.room) for client in clients}
