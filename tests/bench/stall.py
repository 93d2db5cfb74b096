"""How long a light client waits while others make the server write and checkpoint: the stall of its loop, from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.crowd import Crowd
from tests.bench.dialects import SPILLWAY, typing_template
from tests.bench.figures import percentile
from tests.bench.loads import Acks, Load, Paced, templates
from tests.bench.measure import Sample, measure
from tests.bench.sides import SERVERS, Figures, Measurement, Size, loads_of, own_rooms

BIG_TEXT = "😀" * 8192  # the longest text the contract allows: 32 KiB
WRITERS = 8
MESSAGES_IN_FLIGHT = 32
LONGER = 2.0  # this row is measured so many times as long as others


@contextmanager
def big_writes(size: Size, name: str, megabytes: float) -> Iterator[Measurement]:
    """A light client, one event at a time, while others write so many megabytes of messages a second."""
    server, dialect = SERVERS[name][0], SERVERS[name][1]()
    with server() as started, Crowd(started.port, dialect).open() as crowd:
        light, *writers = crowd.connect(own_rooms(1 + WRITERS)(size), size.join_seconds)

        def measurement() -> Figures:
            made = templates([light], typing_template if dialect is SPILLWAY else lambda r: dialect.template(r, "x"))
            loads: list[Load] = [Acks(made, 1, None)]
            if megabytes:
                texts = templates(writers, lambda room: dialect.template(room, BIG_TEXT))
                loads.append(Paced(texts, megabytes * 1e6 / len(BIG_TEXT.encode()), most_in_flight=MESSAGES_IN_FLIGHT))
            sample = measure(crowd, loads, size.warm_up, size.seconds * LONGER, started.cpu)
            return stall_figures(sample)

        yield measurement


def stall_figures(sample: Sample) -> Figures:
    """How long the light client waited at most, and what the others wrote meanwhile."""
    took = sample.took[0]
    written = sample.done[1] * len(BIG_TEXT.encode()) / 1e6 / sample.seconds if len(sample.done) > 1 else 0.0
    return {
        "max_ms": took[-1] * 1000 if took else 0.0,
        "p99.9_ms": percentile(took, 0.999) * 1000,
        "p50_ms": percentile(took, 0.5) * 1000,
        "megabytes_per_second": written,
        **loads_of(sample),
    }
