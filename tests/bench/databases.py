"""Spillway on PostgreSQL beside Spillway on SQLite: processor time of the web process and of the server."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil

from tests.bench import servers as start
from tests.bench.crowd import Crowd
from tests.bench.dialects import SPILLWAY, job_template
from tests.bench.jobs import job_figures
from tests.bench.loads import Acks, Jobs, Load, templates
from tests.bench.measure import Clocks, measure
from tests.bench.servers import Servers
from tests.bench.sides import TEXT, Measurement, Size, own_rooms
from tests.cluster import Cluster, running


@contextmanager
def messages_on(size: Size, postgres: bool, clients: int, window: int) -> Iterator[Measurement]:
    """Short messages, each stored, shown to its sender and acknowledged."""
    with _crowd(postgres) as (crowd, clocks):
        people = crowd.connect(own_rooms(clients)(size))

        def load() -> Load:
            return Acks(templates(people, lambda room: SPILLWAY.template(room, TEXT)), window, SPILLWAY)

        yield lambda: job_figures(measure(crowd, [load()], size.warm_up, size.seconds, clocks))


@contextmanager
def jobs_on(size: Size, postgres: bool, clients: int, window: int) -> Iterator[Measurement]:
    """No-op jobs on the simple path."""
    with _crowd(postgres) as (crowd, clocks):
        people = crowd.connect(own_rooms(clients)(size))

        def load() -> Load:
            return Jobs(templates(people, lambda room: job_template(room, "noop")), window)

        yield lambda: job_figures(measure(crowd, [load()], size.warm_up, size.seconds, clocks))


@contextmanager
def _crowd(postgres: bool) -> Iterator[tuple[Crowd, Clocks]]:
    with ExitStack() as stack:
        cluster, url = None, ""
        if postgres:  # with fsync, as servers have it by default
            with start.on_cores(start.GENERATOR_CORE, os.sched_getaffinity(0)):
                cluster = stack.enter_context(running(fsync="on", shared_buffers="128MB"))
            url = cluster.database()
        key = secrets.token_hex(32)
        started = stack.enter_context(start.spillway(start.ON_REQUEST, DATABASE_URL=url, SECRET_KEY=key))
        crowd = stack.enter_context(Crowd(started.port, SPILLWAY).open())
        yield crowd, _clocks(started, cluster)


def _clocks(started: Servers, cluster: Cluster | None) -> Callable[[], dict[str, float]]:
    if cluster is None:
        return started.cpu
    server = psutil.Process(cluster.process.pid)

    def read() -> dict[str, float]:
        used = 0.0
        for process in [server, *server.children()]:
            with suppress(OSError):  # it has ended
                used += start.cpu_seconds(process.pid)
        return {**started.cpu(), "postgres": used}

    return read
