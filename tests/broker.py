"""A real nats-server that can be killed and started again, and connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.queue.connection import Queue
from app.settings import Settings
from tests.faults.parts import Broker

WAIT = 20.0  # seconds until a test gives up on what must happen


class RealBroker(Broker):
    """A nats-server on a port of its own."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"nats://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """It is gone at once."""
        self.process.kill()
        self.process.wait()

    def restart(self, with_streams: bool = True) -> None:
        """It is back, with what is on its disk; or without JetStream."""
        self.process = subprocess.Popen([each for each in self.command if with_streams or each != "-js"])
        give_up = time.monotonic() + WAIT
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return
            assert time.monotonic() < give_up, "the broker does not come back"
            time.sleep(0.05)

    @asynccontextmanager
    async def connected(self, prefix: str = "", **more: Any) -> AsyncIterator[Queue]:
        """A queue with streams of its own."""
        prefix = prefix or f"t{secrets.token_hex(4)}"
        notes: list[str] = []
        queue = Queue(Settings(nats_url=(self.url,), nats_prefix=prefix, **more), ["ml"], notes.append)
        await asyncio.wait_for(queue.connect(), WAIT)
        try:
            yield queue
        finally:
            await queue.close()


async def until(reached: Callable[[], Any]) -> None:
    """Wait until it is so."""
    give_up = time.monotonic() + WAIT
    while not reached():
        assert time.monotonic() < give_up, "it never came to that"
        await asyncio.sleep(0.005)


async def messages(queue: Queue, stream: str) -> int:
    """How many a stream holds."""
    return int((await queue._stream.stream_info(stream)).state.messages)


async def until_messages(queue: Queue, stream: str, count: int) -> None:
    """Wait until a stream holds so many."""
    give_up = time.monotonic() + WAIT
    while (found := await messages(queue, stream)) != count:
        assert time.monotonic() < give_up, f"{stream} holds {found}, expected {count}"
        await asyncio.sleep(0.01)
