"""How many jobs a second the ledger takes, each acknowledged by its own commit: `python -m tests.inserts`."""

from __future__ import annotations

import sys

from app.concurrency import patch

concurrency = patch("eventlet")

import tempfile  # noqa: E402 - patched first
import threading  # noqa: E402
import time  # noqa: E402

from app.ids import new_id  # noqa: E402
from app.jobs import ledger  # noqa: E402
from app.jobs.job import Job  # noqa: E402
from app.store.store import Store  # noqa: E402

JOBS, WRITERS = 20_000, 200


def main() -> None:
    """Insert from many green threads at once, each waiting for its own acknowledgement; print jobs a second."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/x.db", concurrency)
        before = time.perf_counter()
        writers = [threading.Thread(target=_insert, args=(store, JOBS // WRITERS)) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        print(round(JOBS / (time.perf_counter() - before)))
        store.close()
    sys.stdout.flush()


def _insert(store: Store, count: int) -> None:
    for _ in range(count):
        now = time.time()
        job = Job(
            id=new_id(),
            room="r",
            task="triage",
            args='{"text":"hello"}',
            path="simple",
            attempts=6,
            at=now,
            deadline=now,
        )
        store.write(lambda connection, job=job: ledger.add(connection, [job]), urgent=True)  # type: ignore[misc]


if __name__ == "__main__":
    main()
