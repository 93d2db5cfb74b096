"""Acks while models work: 200 messages a second with three model jobs each, and eight summaries at any time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import servers as start
from tests.bench.crowd import Crowd
from tests.bench.dialects import SPILLWAY, job_template
from tests.bench.figures import percentile
from tests.bench.loads import Acks, Jobs, Paced, templates
from tests.bench.measure import measure
from tests.bench.sides import Figures, Measurement, Size

PEOPLE, RATE = 50, 200
LONG_ROOMS = [f"long{number}" for number in range(8)]
HISTORY = 200  # messages in each room that is summarized
LONGER = 2.0  # this row is measured so many times as long as others
TEXTS = (
    "I have had a headache for two days and nothing helps (#)",
    "Can I move my appointment to Thursday? (#)",
    "Thank you, that was very kind of you (#)",
    "My prescription has run out, can you renew it? (#)",
    "The app shows an error when I log in (#)",
    "I feel dizzy and my chest hurts (#)",
)


class Summaries(Jobs):
    """One summary after another in each room; none is waited for at the end."""

    def outstanding(self) -> int:
        """Nothing: what runs when the measurement ends may be cut off."""
        return 0


@contextmanager
def acks_beside_models(size: Size, kind: str, queued: bool) -> Iterator[Measurement]:
    """Acks beside the `embedded` models, or beside the `synthetic` server, which only waits."""
    with tempfile.TemporaryDirectory(prefix="spillway-bench-") as folder:
        data = Path(folder) / "data"
        _long_rooms(data, HISTORY if size.seconds >= 1 else 2)
        yield lambda: _measure(size, kind, queued, data)


def _long_rooms(data: Path, messages: int) -> None:
    """A database whose rooms have enough messages to be summarized, and no jobs."""
    with start.spillway(start.ON_REQUEST) as started:
        with Crowd(started.port, SPILLWAY).open() as crowd:
            for client in crowd.connect(LONG_ROOMS):
                filling = Acks(templates([client], lambda room: SPILLWAY.template(room, TEXTS[0])), 4, None)
                filling.begin()
                while filling.outstanding():
                    filling.stopping = filling.done >= messages
                    crowd.pump(0.1)
        started.stop()
        shutil.copytree(started.folder / "data", data)


def _measure(size: Size, kind: str, queued: bool, data: Path) -> Figures:
    """A system of its own each time, on every core; the jobs that wait at the end are thrown away with it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, start.EVERY_CORE)
    try:
        with start.servers() as parts:
            times = {"summary": {"median_ms": 300.0}} if kind == "synthetic" else {}
            models = start.model_server(parts, kind, start.EVERY_CORE, **times)
            with (
                start.spillway(None, queued, pinned=False, data=data, ML_URL=models) as started,
                Crowd(started.port, SPILLWAY).open() as crowd,
            ):
                return _figures(crowd, size, started)
    finally:
        os.sched_setaffinity(0, before)


def _figures(crowd: Crowd, size: Size, started: start.Servers) -> Figures:
    long_rooms = crowd.connect(LONG_ROOMS)
    people = crowd.connect([f"r{number // 2}" for number in range(PEOPLE)])
    made = {client: SPILLWAY.template(client.room, TEXTS[n % len(TEXTS)]) for n, client in enumerate(people)}
    summaries = Summaries(templates(long_rooms, lambda room: job_template(room, "summarize")), 1)
    sample = measure(crowd, [Paced(made, RATE), summaries], size.warm_up, size.seconds * LONGER, started.cpu)
    return {
        "p50_ms": percentile(sample.took[0], 0.5) * 1000,
        "p99_ms": percentile(sample.took[0], 0.99) * 1000,
        "max_ms": sample.took[0][-1] * 1000 if sample.took[0] else 0.0,
        "per_second": sample.done[0] / sample.seconds,
        "summaries": float(sample.done[1]),
        "server_load": sample.cpu["web"] / sample.seconds,
        "generator_load": sample.generator,
    }
