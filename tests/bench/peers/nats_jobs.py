"""Jobs over JetStream with nats-py alone, without a ledger: published to a work queue, run, answered, acknowledged.

usage: nats_jobs.py URL worker READY_FILE | nats_jobs.py URL producer
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NothingThere
from nats.js.api import ConsumerConfig, RetentionPolicy
from protocol import serve  # type: ignore[import-not-found]  # beside this script

BATCH = 100


async def work(url: str, ready: Path) -> None:
    """Take jobs and answer them until the process ends."""
    broker = await nats.connect(url)
    stream = broker.jetstream()
    await stream.add_stream(name="JOBS", subjects=["jobs.*"], retention=RetentionPolicy.WORK_QUEUE)
    jobs = await stream.pull_subscribe(
        "jobs.*", "workers", config=ConsumerConfig(max_ack_pending=10 * BATCH, ack_wait=5)
    )
    ready.touch()  # noqa: ASYNC240 # nothing else runs yet
    while True:
        try:
            # A fetch that runs out leaves its request with the server, which gives the next job to nobody: so, seldom.
            fetched = await jobs.fetch(BATCH, timeout=60)
        except NothingThere:
            continue
        await asyncio.gather(*(answer(broker, job) for job in fetched))


async def answer(broker: Client, job: Msg) -> None:
    """Do nothing, say so, and only then acknowledge."""
    await broker.publish(f"done.{job.data.decode()}", b'{"done":true}')
    await job.ack()


class Producer:
    """Publishes jobs and waits for their answers."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._number = 0
        self._broker: Client = self._loop.run_until_complete(nats.connect(url))
        self._stream = self._broker.jetstream()
        self._loop.run_until_complete(self._broker.subscribe("done.*", cb=self._done))

    def run(self, in_flight: int, seconds: float) -> tuple[int, float, list[float]]:
        """Keep so many jobs in flight for so long."""
        return self._loop.run_until_complete(self._run(in_flight, seconds))

    async def _run(self, in_flight: int, seconds: float) -> tuple[int, float, list[float]]:
        begun, took = time.perf_counter(), list[float]()
        await asyncio.gather(*(self._one_after_another(begun + seconds, took) for _ in range(in_flight)))
        return len(took), time.perf_counter() - begun, took

    async def _one_after_another(self, until: float, took: list[float]) -> None:
        while (before := time.perf_counter()) < until:
            self._number += 1
            name = str(self._number)
            done = self._waiting[name] = self._loop.create_future()
            await self._stream.publish("jobs.noop", name.encode())
            await done  # it may be done before the stream has confirmed the job
            took.append((time.perf_counter() - before) * 1000)

    async def _done(self, answer: Msg) -> None:
        self._waiting.pop(answer.subject.partition(".")[2]).set_result(None)


if __name__ == "__main__":
    if sys.argv[2] == "worker":
        asyncio.run(work(sys.argv[1], Path(sys.argv[3])))
    else:
        serve(Producer(sys.argv[1]).run)
