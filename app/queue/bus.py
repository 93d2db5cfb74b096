"""What web processes tell each other: plain messages on core NATS, which may be lost; app/backplane makes good for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import nats.errors
from nats.aio.client import Client

from app.queue.dialling import NOTE_SECONDS, Note, dialling
from app.queue.link import Link
from app.queue.names import names_of
from app.settings import Settings

CLOSE_SECONDS = 2.0


class Bus:
    """One connection, kept for ever, with subjects for each web process and for all of them."""

    def __init__(self, settings: Settings, note: Note, tls: Any = None) -> None:
        """`tls` is an `ssl.SSLContext` where nats-py's own would not do."""
        self._settings, self._note, self._tls = settings, note, tls
        self._names, self.has_several = names_of(settings), len(settings.servers) > 1
        self._client = Client()
        self._link: Link | None = None
        self._noted = 0.0
        self._closing = False
        self._heard: list[tuple[str, Callable[[bytes], None]]] = []
        self.on_connect: Callable[[], None] = lambda: None  # connected, for the first time or again
        self.on_cut: Callable[[], None] = lambda: None

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._link is not None and bool(self._client.is_connected)

    async def connect(self, hear: dict[str, Callable[[bytes], None]]) -> None:
        """Connect, for as long as it takes, and hear what is sent to these processes; `all` is every one."""
        if self._link is not None:
            return
        client = self._client = Client()
        await client.connect(
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnected,
            disconnected_cb=self._on_disconnected,
            **dialling(self._settings, self._tls),
        )
        link = Link(client, asyncio.get_running_loop())
        for process, handler in hear.items():
            await link.subscribe(self._names.process(process), lambda _, __, ___, data, take=handler: take(data))  # type: ignore[misc]
        self._link = link
        self.on_connect()

    def publish(self, process: str, payload: bytes) -> None:
        """Send this to one process, or to `all`; lost when there is no connection."""
        if self._link is not None:
            self._link.publish(self._names.process(process).encode(), payload)

    async def hang_up(self) -> None:
        """Let this connection go, which hears nothing though it stands; `connect` makes another."""
        client, self._link = self._client, None
        self.on_cut()
        await _close(client)

    async def close(self) -> None:
        """Send what is buffered, and disconnect."""
        self._closing = True
        if self._link is not None:
            self._link.flush()
            with contextlib.suppress(nats.errors.Error, asyncio.TimeoutError):
                await self._client.flush(timeout=CLOSE_SECONDS)  # type: ignore[arg-type]  # it takes seconds
        await _close(self._client)

    async def _on_reconnected(self) -> None:
        if self._link is not None:
            self._note("web processes hear each other again")
            self.on_connect()

    async def _on_disconnected(self) -> None:
        if self._link is not None and not self._closing:
            self._note("web processes do not hear each other: the broker is away")
            self.on_cut()

    async def _on_error(self, error: Exception) -> None:
        if time.monotonic() - self._noted > NOTE_SECONDS:
            self._noted = time.monotonic()
            self._note(f"the broker cannot be reached: {error!r}")


async def _close(client: Client) -> None:
    with contextlib.suppress(nats.errors.Error, asyncio.TimeoutError, OSError):
        await asyncio.wait_for(client.close(), CLOSE_SECONDS)
