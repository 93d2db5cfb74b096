"""A person at a real Socket.IO connection, who remembers everything sent, acknowledged and seen."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import socketio
from socketio.exceptions import BadNamespaceError, ConnectionError, DisconnectedError, TimeoutError

FINAL = ("succeeded", "failed", "cancelled", "skipped")
ACK_SECONDS = 10.0
AGAIN = ("busy", "draining", "rate_limited", "not_in_room", "internal")  # codes after which sending again may help


class NotAccepted(Exception):
    """The server said no; the ack's error is in `error`."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error


@dataclass
class Books:
    """What one client knows: the evidence an audit compares with the server's."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)  # key -> message as acknowledged
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)  # seq -> message, live or replayed
    live: list[int] = field(default_factory=list)  # seqs in the order in which they came live
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # job -> newest state
    unfinished: set[str] = field(default_factory=set)  # jobs whose newest state is not final
    finals: list[list[dict[str, Any]]] = field(
        default_factory=lambda: [[]]
    )  # of each connection: jobs as shown final, live
    shown: dict[str, int] = field(default_factory=dict)  # job -> how often it was shown as final, live
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)  # key -> job as acknowledged
    acks: list[float] = field(default_factory=list)  # seconds each ack took
    times: dict[str, dict[str, float]] = field(default_factory=dict)  # job -> state -> when it was first seen


class Person:
    """One client in one room."""

    def __init__(
        self, url: str, name: str, room: str, noticed: Callable[[str, dict[str, Any]], None] | None = None
    ) -> None:
        self.url, self.name, self.room, self.books = url, name, room, Books()
        self.patience = ACK_SECONDS
        self._noticed = noticed
        self._client = self._new_connection()

    async def connect(self) -> dict[str, Any]:
        """Connect and join the room after the last message seen; returns the join's ack. Raises ConnectionError."""
        if not self._client.connected:
            self.books.finals.append([])
            self.books.live.append(0)  # a new connection: live events start anew
            await self._client.connect(self.url, auth={"name": self.name}, transports=["websocket"], wait_timeout=10)
        while True:
            # Who was here before has seen everything up to their newest message, or nothing: both are worth saying.
            after = (
                {"after": max(self.books.messages, default=0)}
                if len(self.books.finals) > 2 or self.books.messages
                else {}
            )
            ack = await self.call("room:join", {"room": self.room, **after})
            for message in ack["messages"]:
                self.books.messages[message["seq"]] = message
            for job in ack["jobs"]:
                self._note_job(job)
            if not ack.get("more"):
                return ack

    async def call(self, event: str, data: Any) -> dict[str, Any]:
        """The ack of an event; raises NotAccepted, or ConnectionError when there is none."""
        try:
            ack: dict[str, Any] = await self._client.call(event, data, timeout=self.patience)
        except TimeoutError:
            # No answer in time may be a connection that only looks alive: the next try gets a new one.
            await self._drop()
            raise ConnectionError(f"no ack for {event} within {self.patience:g} s") from None
        except (BadNamespaceError, DisconnectedError) as error:
            raise ConnectionError(f"no ack for {event}: {error!r}") from None
        if not ack["ok"]:
            raise NotAccepted(ack["error"])
        return ack

    async def say(self, text: str, key: str | None = None, upload: str | None = None) -> dict[str, Any]:
        """Send a message once and note its ack."""
        key = key or secrets.token_hex(8)
        before = time.perf_counter()
        ack = await self.call(
            "message:send", {"room": self.room, "key": key, "text": text, **({"upload": upload} if upload else {})}
        )
        self.books.acks.append(time.perf_counter() - before)
        message: dict[str, Any] = ack["message"]
        self.books.sent[key] = message
        return message

    async def ask(self, task: str, args: dict[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """Ask for a job once and note its ack."""
        key = key or secrets.token_hex(8)
        ack = await self.call("job:create", {"room": self.room, "key": key, "task": task, "args": args or {}})
        job: dict[str, Any] = ack["job"]
        self.books.asked[key] = job
        self._note_job(job)
        return job

    async def insist(self, send: Callable[[str], Awaitable[dict[str, Any]]], seconds: float = 120.0) -> dict[str, Any]:
        """Send under one key until it is acknowledged, coming back as often as the connection is lost."""
        key = secrets.token_hex(8)
        until = time.monotonic() + seconds
        while True:
            try:
                if not self.connected:
                    await self.connect()
                return await send(key)
            except NotAccepted as no:
                if no.error["code"] not in AGAIN or time.monotonic() > until:
                    raise
                await asyncio.sleep(no.error.get("retry_after", 0.2))
            except (ConnectionError, OSError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    async def come_back(self, seconds: float = 60.0) -> None:
        """Connect and join again, however often it takes; raises what the last try did when it took longer."""
        until = time.monotonic() + seconds
        while True:
            try:
                await self.connect()
                return
            except (ConnectionError, NotAccepted, OSError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    async def settled(self, jobs: int, seconds: float) -> bool:
        """Wait until so many jobs are known and all known are final; False when it took longer."""
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self.books.jobs) < jobs or self.books.unfinished:
                    await asyncio.sleep(0.02)
                return True
        return False

    async def close(self) -> None:
        """Leave."""
        await self._client.disconnect()

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return bool(self._client.connected)

    def _new_connection(self) -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False)
        for event, take in (("message:new", self._message), ("job:update", self._job)):
            client.on(event, take)
        for event in ("room:members", "typing", "flag:changed", "server:draining"):
            client.on(event, self._other(event))
        return client

    async def _drop(self) -> None:
        """Give the connection up, whatever state it is in."""
        old, self._client = self._client, self._new_connection()
        for event in ("message:new", "job:update"):
            old.on(event, lambda *_: None)  # what still comes there belongs to nobody
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError, OSError):
            await asyncio.wait_for(old.disconnect(), 1.0)

    def _message(self, message: dict[str, Any]) -> None:
        self.books.messages[message["seq"]] = message
        self.books.live.append(message["seq"])
        self._tell("message:new", message)

    def _job(self, job: dict[str, Any]) -> None:
        if job["state"] in FINAL:
            self.books.shown[job["id"]] = self.books.shown.get(job["id"], 0) + 1
            self.books.finals[-1].append(job)
        self._note_job(job)
        self._tell("job:update", job)

    def _note_job(self, job: dict[str, Any]) -> None:
        self.books.times.setdefault(job["id"], {}).setdefault(job["state"], time.perf_counter())
        known = self.books.jobs.get(job["id"])
        if known is None or known["state"] not in FINAL or job["attempt"] > known["attempt"]:
            self.books.jobs[job["id"]] = job
            (self.books.unfinished.discard if job["state"] in FINAL else self.books.unfinished.add)(job["id"])

    def _other(self, event: str) -> Callable[[dict[str, Any]], None]:
        return lambda data: self._tell(event, data)

    def _tell(self, event: str, data: dict[str, Any]) -> None:
        if self._noticed is not None:
            self._noticed(event, data)
