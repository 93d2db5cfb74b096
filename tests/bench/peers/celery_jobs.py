"""Jobs on Celery over Redis, results included. usage: celery_jobs.py REDIS_PORT worker READY_FILE | ... producer"""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

from celery import Celery  # type: ignore[import-not-found]  # installed by `make bench-peers`, in a place of its own
from celery.signals import worker_ready  # type: ignore[import-not-found]
from protocol import serve  # type: ignore[import-not-found]  # beside this script

redis = f"redis://127.0.0.1:{sys.argv[1]}/0"
app = Celery("bench", broker=redis, backend=redis)
app.conf.update(worker_prefetch_multiplier=16, result_expires=60)


@app.task(name="noop")  # type: ignore[untyped-decorator]
def noop() -> dict[str, bool]:
    """Nothing at all."""
    return {"done": True}


def run(in_flight: int, seconds: float) -> tuple[int, float, list[float]]:
    """Keep so many jobs in flight for so long; the oldest is waited for."""
    begun, took = time.perf_counter(), list[float]()
    flying = deque((time.perf_counter(), noop.delay()) for _ in range(in_flight))
    while flying:
        before, job = flying.popleft()
        job.get(interval=0.001)
        now = time.perf_counter()
        took.append((now - before) * 1000)
        if now < begun + seconds:
            flying.append((now, noop.delay()))
    return len(took), time.perf_counter() - begun, took


if __name__ == "__main__":
    if sys.argv[2] == "worker":
        worker_ready.connect(lambda **_: Path(sys.argv[3]).touch(), weak=False)
        quiet = ["--loglevel=error", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        app.worker_main(["worker", "--pool=threads", "--concurrency=8", *quiet])
    else:
        serve(run)
