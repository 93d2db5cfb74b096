"""How many jobs a second the ledger takes, each acknowledged by its own commit or with a group: `python -m tests.inserts`."""

from __future__ import annotations

import asyncio
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from app.ids import new_id, new_position
from app.jobs import ledger
from app.jobs.job import Job
from app.store.operation import Operation, Rows
from app.store.store import Store

JOBS, ASKERS = 50_000, 200


class Threads:
    """A loop, and real threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """A daemon, as in the web process."""
        threading.Thread(target=function, args=args, daemon=True).start()

    def os_queue(self) -> Any:
        """Between the threads and the loop."""
        return queue.SimpleQueue()


class Insert(Operation):
    """One job, and whoever waits for it."""

    def __init__(self, position: int) -> None:
        now = time.time()
        self.done_ = asyncio.get_running_loop().create_future()
        self.job = Job(
            n=position,
            id=new_id(),
            room="r",
            task="noop",
            args="{}",
            path="simple",
            attempts=8,
            at=now,
            deadline=now + 900,
        )

    def prepare(self, rows: Rows) -> None:
        """Its row."""
        ledger.insert(rows, self.job)

    def done(self, effects: Any) -> None:
        """It is stored."""
        self.done_.set_result(None)


async def main() -> None:
    """Insert for many askers at once, each waiting for its own acknowledgement; print jobs a second."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/x.db", Threads(asyncio.get_running_loop()))
        newest = 0

        async def ask(jobs: int) -> None:
            nonlocal newest
            for _ in range(jobs):
                newest = new_position(newest)
                operation = Insert(newest)
                store.add(operation)
                await operation.done_

        before = time.perf_counter()
        await asyncio.gather(*(ask(JOBS // ASKERS) for _ in range(ASKERS)))
        print(round(JOBS / (time.perf_counter() - before)))
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
