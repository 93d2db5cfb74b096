"""How the bench asks a producer of jobs to work: `IN_FLIGHT SECONDS` in, `{"done", "seconds", "p50_ms", "p99_ms"}` out.

Only the standard library: Celery's producer runs in an environment of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

Run = Callable[[int, float], "tuple[int, float, list[float]]"]


def serve(run: Run) -> None:
    """Run for each line of standard input; `run` returns jobs done, seconds passed and milliseconds of each job."""
    for line in sys.stdin:
        in_flight, seconds = line.split()
        done, passed, took = run(int(in_flight), float(seconds))
        took.sort()
        p50, p99 = (took[int(len(took) * share)] if took else 0.0 for share in (0.50, 0.99))
        print(json.dumps({"done": done, "seconds": passed, "p50_ms": p50, "p99_ms": p99}), flush=True)
