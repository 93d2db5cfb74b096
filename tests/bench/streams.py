"""Drafts that stream: what a piece costs the web process, how long the first takes, and chat beside fifty of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

from app.compare.system import ROOT
from tests.bench import servers as start
from tests.bench.crowd import Client, Crowd, LoadFailed
from tests.bench.dialects import SPILLWAY, UPDATE, job_template
from tests.bench.figures import cpu_microseconds, percentile
from tests.bench.frames import FIRST_NUMBER
from tests.bench.loads import ACK_OK, Load, Paced, templates
from tests.bench.measure import measure
from tests.bench.sides import TEXT, Figures, Measurement, Size, loads_of, own_rooms, times

DRAFTS = {"reply": (ROOT / "app" / "tasks" / "reply.py").read_text()}
DELTA = b'42["job:delta"'
TOKENS_A_SECOND = 20.0
TOKENS = 900  # of one answer: longer than a measurement, and within what a text may have
CHAT_RATE = 50.0
numbers = count(FIRST_NUMBER)


class Streams(Load):
    """One draft after the other for each client; `done` counts pieces, `seconds` is the time from one to the next."""

    def __init__(self, clients: Iterable[Client]) -> None:
        super().__init__(clients)
        self._last: dict[Client, float] = {}
        self._made = templates(self.clients, lambda room: job_template(room, "reply"))

    def begin(self) -> None:
        for client in self.clients:
            if client not in self._last:
                self._ask(client)

    def outstanding(self) -> int:
        """Nothing: they go on until the server is ended."""
        return 0

    def all_talk(self) -> bool:
        """Whether each of them has seen a piece of its own."""
        return len(self._last) == len(self.clients)

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        now = time.perf_counter()
        for payload in payloads:
            if payload.startswith(DELTA):
                self.done += 1
                if client in self._last:
                    self.seconds.append(now - self._last[client])
                self._last[client] = now
            elif payload[:2] == b"43":
                if payload[9:20] != ACK_OK:
                    raise LoadFailed(f"refused: {payload[:300].decode(errors='replace')}")
            elif payload.startswith(UPDATE) and b'"state":"succeeded"' in payload:
                self._last.pop(client, None)
                self._ask(client)
            elif payload.startswith(UPDATE) and b'"state":"failed"' in payload:
                raise LoadFailed(f"a draft failed: {payload[:300].decode(errors='replace')}")

    def _ask(self, client: Client) -> None:
        client.send(self._made[client].fill(next(numbers)))


class FirstPieces(Streams):
    """As Streams, but `seconds` is the time from asking to the first piece; the next is asked for when one is over."""

    def __init__(self, clients: Iterable[Client]) -> None:
        super().__init__(clients)
        self._asked: dict[Client, float] = {}

    def begin(self) -> None:
        for client in self.clients:
            self._ask(client)

    def outstanding(self) -> int:
        return len(self._asked)

    def hear(self, client: Client, payloads: list[bytes]) -> None:
        for payload in payloads:
            if payload.startswith(DELTA) and client in self._asked:
                self.seconds.append(time.perf_counter() - self._asked.pop(client))
                self.done += 1
            elif payload.startswith(UPDATE) and b'"state":"succeeded"' in payload and not self.stopping:
                self._ask(client)

    def _ask(self, client: Client) -> None:
        self._asked[client] = time.perf_counter()
        super()._ask(client)


@contextmanager
def _talking(queued: bool, **talk: float) -> Iterator[start.Servers]:
    """Spillway and a language model that talks like this."""
    with ExitStack() as stack:
        models = stack.enter_context(start.servers())
        port = models.port
        command = [sys.executable, "-m", "ml_clients.synthetic", "--port", str(port), "--talk", json.dumps(talk)]
        command += ["--niceness", "0"]  # its pace is what is measured against, whatever else runs on the machine
        models.start(
            "models", command, start.GENERATOR_CORE, lambda: start.answers(f"http://127.0.0.1:{port}", "/livez")
        )
        yield stack.enter_context(start.spillway(DRAFTS, queued, LLM_URL=f"http://127.0.0.1:{port}/v1", NICENESS="0"))


@contextmanager
def pieces(size: Size, queued: bool) -> Iterator[Measurement]:
    """Fifty drafts at a time, each read by one person: CPU of the web process for each piece, and the longest pause."""
    with (
        _talking(queued, tokens=TOKENS, per_second=TOKENS_A_SECOND) as started,
        Crowd(started.port, SPILLWAY).open() as crowd,
    ):
        idle = _idle(started, size.seconds * 2)
        streams = _begun(crowd, own_rooms(size.streams)(size))

        def figures() -> Figures:
            sample = measure(crowd, [streams], size.warm_up, size.seconds * 2, started.cpu)
            streams.stopping = False
            return {
                "web_us": cpu_microseconds(sample.cpu["web"] - idle * sample.seconds, sample.done[0]),
                "with_idle_us": cpu_microseconds(sample.cpu["web"], sample.done[0]),
                "per_second": sample.done[0] / sample.seconds,
                "longest_ms": max(sample.took[0], default=0.0) * 1000,
                **loads_of(sample),
            }

        yield figures


@contextmanager
def acks_beside_streams(size: Size, queued: bool, how_many: int) -> Iterator[Measurement]:
    """Chat beside so many drafts, or beside none."""
    with (
        _talking(queued, tokens=TOKENS, per_second=TOKENS_A_SECOND) as started,
        Crowd(started.port, SPILLWAY).open() as crowd,
    ):
        streams = [_begun(crowd, own_rooms(min(how_many, size.streams))(size))] if how_many else []
        people = crowd.connect([f"chat{number}" for number in range(10)])

        def figures() -> Figures:
            chat = Paced(templates(people, lambda room: SPILLWAY.template(room, TEXT)), CHAT_RATE)
            sample = measure(crowd, [chat, *streams], size.warm_up, size.seconds * 2, started.cpu)
            for each in streams:
                each.stopping = False
            return {**times(sample.took[0]), "per_second": sample.done[0] / sample.seconds, **loads_of(sample)}

        yield figures


@contextmanager
def first_piece(size: Size, queued: bool) -> Iterator[Measurement]:
    """One draft at a time, of a model that begins at once: from asking to the first piece."""
    with _talking(queued, tokens=2, per_second=1000) as started, Crowd(started.port, SPILLWAY).open() as crowd:
        people = crowd.connect(["first"])

        def figures() -> Figures:
            sample = measure(crowd, [FirstPieces(people)], size.warm_up, size.seconds, started.cpu)
            return {
                "p50_ms": percentile(sample.took[0], 0.5) * 1000,
                "p99_ms": percentile(sample.took[0], 0.99) * 1000,
                "per_second": sample.done[0] / sample.seconds,
                **loads_of(sample),
            }

        yield figures


def _idle(started: start.Servers, seconds: float) -> float:
    """CPU seconds that the web process uses each second while nothing is asked of it."""
    time.sleep(seconds / 2)  # its start is over
    before, at = started.cpu()["web"], time.perf_counter()
    time.sleep(seconds)
    return (started.cpu()["web"] - before) / (time.perf_counter() - at)


def _begun(crowd: Crowd, rooms: list[str]) -> Streams:
    """Streams that have all begun."""
    streams = Streams(crowd.connect(rooms))
    streams.begin()
    until = time.monotonic() + start.READY_SECONDS
    while not streams.all_talk():
        crowd.pump(0.1)
        if time.monotonic() > until:
            raise LoadFailed("some drafts never began")
    return streams
