"""The floor under the simple path: a green thread for each job and an event that says it is done; nothing else."""

from __future__ import annotations

import time

import eventlet
from eventlet.event import Event
from protocol import serve  # type: ignore[import-not-found]  # beside this script


def run(in_flight: int, seconds: float) -> tuple[int, float, list[float]]:
    """Keep so many jobs in flight for so long."""
    begun, took = time.perf_counter(), list[float]()
    for people in [eventlet.spawn(_one_after_another, begun + seconds, took) for _ in range(in_flight)]:
        people.wait()
    return len(took), time.perf_counter() - begun, took


def _one_after_another(until: float, took: list[float]) -> None:
    while (before := time.perf_counter()) < until:
        done = Event()
        eventlet.spawn(done.send, {"done": True})
        done.wait()
        took.append((time.perf_counter() - before) * 1000)


if __name__ == "__main__":
    serve(run)
