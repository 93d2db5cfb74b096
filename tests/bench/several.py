"""Three web processes on PostgreSQL beside one: what all of them together use up, where each room has members on all three."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from app.ports import free_port
from tests.bench import servers as start
from tests.bench.crowd import Crowd
from tests.bench.dialects import SPILLWAY, job_template
from tests.bench.jobs import job_figures
from tests.bench.loads import Acks, Jobs, Load, templates
from tests.bench.measure import Sample, measure
from tests.bench.servers import Servers
from tests.bench.sides import TEXT, Figures, Measurement, Size
from tests.cluster import running

MEMBERS = 3  # of each room, one on each process


@contextmanager
def several(size: Size, processes: int, jobs: bool, rooms: int, window: int) -> Iterator[Measurement]:
    """Messages, or no-op jobs on the simple path, by one member of each room of three."""
    with ExitStack() as stack:
        with start.on_cores(start.GENERATOR_CORE, os.sched_getaffinity(0)):
            cluster = stack.enter_context(running(fsync="on", shared_buffers="128MB"))
        started = stack.enter_context(start.servers())
        ports = _start(started, processes, cluster.database())
        crowd = stack.enter_context(Crowd(ports[0], SPILLWAY, ports).open())
        count = rooms if size.seconds >= 1 else 2
        everybody = crowd.connect([f"room-{number // MEMBERS}" for number in range(count * MEMBERS)])
        # One of each room writes: in two of three rooms it is one who is connected to another process than its owner.
        people = [everybody[number * MEMBERS + number % MEMBERS] for number in range(count)]

        def load() -> Load:
            if jobs:
                return Jobs(templates(people, lambda room: job_template(room, "noop")), window)
            return Acks(templates(people, lambda room: SPILLWAY.template(room, TEXT)), window, SPILLWAY)

        yield lambda: _figures(measure(crowd, [load()], size.warm_up, size.seconds, started.cpu))


def _start(started: Servers, processes: int, database: str) -> list[int]:
    root = start.checkout(started.folder, start.ON_REQUEST)
    broker = start.nats_server(started)
    shared = {"DATABASE_URL": database, "NATS_URL": broker, "SECRET_KEY": secrets.token_hex(32)}
    ports = [free_port() for _ in range(processes)]
    for number, port in enumerate(ports):
        data = started.folder / f"data-{number}"
        data.mkdir()
        environment = {**start.QUIET, "DATA_DIR": str(data), "PORT": str(port), **shared}
        command, name = [sys.executable, "wsgi.py"], f"web {number + 1}"

        def is_ready(url: str = f"http://127.0.0.1:{port}") -> bool:
            return start.answers(url, "/readyz")

        started.start(name, command, start.SERVER_CORE, is_ready, root, environment=environment)
    return ports


def _figures(sample: Sample) -> Figures:
    """All web processes together count as one."""
    webs = [cpu for name, cpu in sample.cpu.items() if name.startswith("web")]
    others = {name: cpu for name, cpu in sample.cpu.items() if not name.startswith("web")}
    return job_figures(replace(sample, cpu={"web": sum(webs), **others}))
