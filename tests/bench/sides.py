"""Who is measured: each side opens its servers and clients once, and is measured as often as the row is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.bench import servers as start
from tests.bench.crowd import Client, Crowd
from tests.bench.dialects import PLAIN, SECRET, SPILLWAY, Dialect, with_token
from tests.bench.figures import per_cpu_second, percentile
from tests.bench.loads import Acks, Fan, Load, Paced, templates
from tests.bench.measure import Sample, measure
from tests.bench.servers import Servers

Figures = dict[str, float]
Measurement = Callable[[], Figures]
TEXT = "x" * 64


@dataclass(frozen=True)
class Size:
    """How long and how large measurements are: `FULL` for figures, `TINY` to see that the harness works."""

    warm_up: float
    seconds: float
    fan: int
    wide_fan: int
    idle: int
    idle_before: int  # clients that are connected before memory is read the first time
    join_seconds: float
    streams: int


FULL = Size(0.5, 2.0, 200, 1000, 5000, 100, 60.0, 50)
TINY = Size(0.05, 0.15, 5, 8, 30, 5, 10.0, 3)


@dataclass(frozen=True)
class Side:
    """One of those that a row compares. `needs` names the peer that must be installed."""

    name: str
    open: Callable[[Size], AbstractContextManager[Measurement]]
    needs: str = ""


SERVERS: dict[str, tuple[Callable[[], AbstractContextManager[Servers]], Callable[[], Dialect]]] = {
    "Spillway": (lambda: start.spillway(start.ON_REQUEST), lambda: SPILLWAY),
    "Spillway with tokens": (
        lambda: start.spillway(start.ON_REQUEST, AUTH="token", AUTH_SECRET=SECRET),
        with_token,
    ),
    "Node socket.io": (start.node, lambda: PLAIN),
    "Flask-SocketIO": (start.stock, lambda: PLAIN),
}
NEEDS = {"Node socket.io": "node"}
Loads = Callable[[list[Client], Dialect], list[Load]]


def chat_sides(names: list[str], rooms: Callable[[Size], list[str]], loads: Loads, long: float = 1.0) -> list[Side]:
    """The same chat load on each of these servers."""

    def side(name: str) -> Side:
        @contextmanager
        def open_side(size: Size) -> Iterator[Measurement]:
            server, dialect = SERVERS[name][0], SERVERS[name][1]()
            with server() as started, Crowd(started.port, dialect).open() as crowd:
                clients = crowd.connect(rooms(size), size.join_seconds)
                yield lambda: chat_figures(
                    measure(crowd, loads(clients, dialect), size.warm_up, size.seconds * long, started.cpu)
                )

        return Side(name, open_side, NEEDS.get(name, ""))

    return [side(name) for name in names]


def chat_figures(sample: Sample) -> Figures:
    """What is said of each chat measurement; the web process is the only one."""
    web, done = sample.cpu["web"], sample.done[0]
    return {
        "per_cpu_second": per_cpu_second(done, web),
        "per_second": done / sample.seconds,
        **times(sample.took[0]),
        **loads_of(sample),
    }


def times(took: list[float]) -> Figures:
    """Percentiles in milliseconds of seconds in ascending order."""
    return {name: percentile(took, share) * 1000 for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99))}


def loads_of(sample: Sample) -> Figures:
    """How busy the server's and the generator's core were."""
    return {"server_load": sample.cpu["web"] / sample.seconds, "generator_load": sample.generator}


def own_rooms(how_many: int) -> Callable[[Size], list[str]]:
    """Each client alone in a room."""
    return lambda size: [f"r{number}" for number in range(how_many)]


def echo(window: int) -> Loads:
    """A closed loop of short messages, each shown to its sender and acknowledged."""
    return lambda clients, dialect: [
        Acks(templates(clients, lambda room: dialect.template(room, TEXT)), window, dialect)
    ]


def paced(rate: float) -> Loads:
    """Short messages at a fixed rate."""
    return lambda clients, dialect: [Paced(templates(clients, lambda room: dialect.template(room, TEXT)), rate)]


def fan(window: int) -> Loads:
    """Short messages to everybody in one room."""
    return lambda clients, dialect: [
        Fan(templates(clients, lambda room: dialect.template(room, TEXT)), window, dialect)
    ]


def connecting(name: str) -> Side:
    """Connects clients, each into a room of its own, and reads the memory they take when they are quiet."""

    @contextmanager
    def open_side(size: Size) -> Iterator[Measurement]:
        yield lambda: _connect(name, size)

    return Side(name, open_side, NEEDS.get(name, ""))


def _connect(name: str, size: Size) -> Figures:
    server, dialect = SERVERS[name][0], SERVERS[name][1]()
    with server() as started, Crowd(started.port, dialect).open() as crowd:
        crowd.connect([f"first{number}" for number in range(size.idle_before)])
        memory, cpu, own = started.resident_bytes("web"), started.cpu()["web"], time.process_time()
        begun = time.monotonic()
        crowd.connect([f"r{number}" for number in range(size.idle)], size.join_seconds)
        passed, cpu, own = time.monotonic() - begun, started.cpu()["web"] - cpu, time.process_time() - own
        until = time.monotonic() + size.warm_up  # what was garbage of connecting may go
        while time.monotonic() < until:
            crowd.pump(0.05)
        return {
            "per_cpu_second": per_cpu_second(size.idle, cpu),
            "per_second": size.idle / passed,
            "kilobytes": (started.resident_bytes("web") - memory) / size.idle / 1000,
            "server_load": cpu / passed,
            "generator_load": own / passed,
        }
