"""A broker whose disk was full says so to its monitor, and keeps saying so when there is room again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from app.queue import accounts, health
from app.queue.connection import Queue
from app.queue.names import Names
from app.settings import Settings
from tests.broker import WAIT, until
from tests.faults.parts import fill, small_disk
from tests.lossless.secured import Secured

ROOMY = 1 << 20  # bytes of one message


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_was_full_is_trouble_until_the_broker_starts_again(parts: None, tmp_path: Path) -> None:
    web, monitor = accounts.web(Names()), accounts.monitor()
    with small_disk(tmp_path, 48) as folder:
        broker = Secured(folder, "nats", accounts.configuration([web], monitor), {})
        place = broker.url.removeprefix("nats://")
        port = int(place.rpartition(":")[2])

        async def fill_the_disk() -> None:
            queue = Queue(Settings(nats_url=(web.url(place),), jobs_max_bytes=16 << 20), ["ml"], lambda _: None)
            await asyncio.wait_for(queue.connect(), WAIT)
            assert health.status(port, monitor, WAIT) == "ok"
            filler = await asyncio.to_thread(fill, folder)
            for _ in range(4):
                queue.publish("jobs.ml.language", b"x" * (ROOMY // 2), b"", lambda _: None)
            await until(lambda: health.in_trouble(port, monitor, WAIT))
            filler.unlink()
            assert health.in_trouble(port, monitor, WAIT)
            await queue.close()

        try:
            asyncio.run(fill_the_disk())
        finally:
            broker.close()
