"""Three web processes on PostgreSQL beside one: what all of them together use up, where each room has members on all three."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from app.ports import free_port
from tests.bench import servers as start
from tests.bench.crowd import Client, Crowd
from tests.bench.dialects import SPILLWAY, job_template
from tests.bench.jobs import job_figures
from tests.bench.loads import Acks, Jobs, Load, Paced, PacedJobs, templates
from tests.bench.measure import Sample, measure
from tests.bench.servers import Servers
from tests.bench.sides import TEXT, Figures, Measurement, Size
from tests.cluster import running

MEMBERS = 3  # of each room, one on each process
KEY = secrets.token_hex(32)


@dataclass(frozen=True)
class Work:
    """Messages, or no-op jobs on the simple path: so many in flight in each room, or so many a second in all."""

    jobs: bool
    rooms: int
    window: int = 0
    rate: float = 0.0

    def load(self, people: list[Client]) -> Load:
        """What one member of each room asks for."""
        if self.jobs:
            asked = templates(people, lambda room: job_template(room, "noop"))
            return PacedJobs(asked, self.rate) if self.rate else Jobs(asked, self.window)
        sent = templates(people, lambda room: SPILLWAY.template(room, TEXT))
        return Paced(sent, self.rate) if self.rate else Acks(sent, self.window, SPILLWAY)


@contextmanager
def several(size: Size, work: Work, processes: int, apart: bool = False) -> Iterator[Measurement]:
    """Work in rooms with a member on each process; when they are apart, in rooms that are on one process each.

    Processes that are apart have nothing to do with each other: what they cost is what it costs to share a core.
    """
    with ExitStack() as stack:
        with start.on_cores(start.GENERATOR_CORE, os.sched_getaffinity(0)):
            cluster = stack.enter_context(running(fsync="on", shared_buffers="128MB"))
        started = stack.enter_context(start.servers())
        databases = [cluster.database() for _ in range(processes)] if apart else [cluster.database()] * processes
        ports = _start(started, databases, apart)
        each_room = [port for port in ports for _ in range(MEMBERS)] if apart else ports
        crowd = stack.enter_context(Crowd(ports[0], SPILLWAY, each_room).open())
        count = work.rooms if size.seconds >= 1 else processes
        everybody = crowd.connect([f"room-{number // MEMBERS}" for number in range(count * MEMBERS)])
        # One of each room writes: in two of three rooms it is one who is connected to another process than its owner.
        people = [everybody[number * MEMBERS + number % MEMBERS] for number in range(count)]
        yield lambda: _figures(measure(crowd, [work.load(people)], size.warm_up, size.seconds, started.cpu))


def _start(started: Servers, databases: list[str], apart: bool) -> list[int]:
    """A web process for each database."""
    root = start.checkout(started.folder, start.ON_REQUEST)
    shared = {} if apart else {"NATS_URL": start.nats_server(started)}
    ports = [free_port() for _ in databases]
    for number, (port, database) in enumerate(zip(ports, databases, strict=True)):
        data = started.folder / f"data-{number}"
        data.mkdir()
        environment = {**start.QUIET, "DATA_DIR": str(data), "PORT": str(port), "SECRET_KEY": KEY, **shared}
        command, name = [sys.executable, "wsgi.py"], f"web {number + 1}"

        def is_ready(url: str = f"http://127.0.0.1:{port}") -> bool:
            return start.answers(url, "/readyz")

        environment["DATABASE_URL"] = database
        started.start(name, command, start.SERVER_CORE, is_ready, root, environment=environment)
    return ports


def _figures(sample: Sample) -> Figures:
    """All web processes together count as one."""
    webs = [cpu for name, cpu in sample.cpu.items() if name.startswith("web")]
    others = {name: cpu for name, cpu in sample.cpu.items() if not name.startswith("web")}
    return job_figures(replace(sample, cpu={"web": sum(webs), **others}))
