"""Chat clients that record everything they sent and saw, and the audit that compares their records with the server's."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import socketio
from socketio.exceptions import BadNamespaceError, ConnectionError, DisconnectedError, TimeoutError

from app.compare.samples import FINAL

ACK_TIMEOUT_SECONDS = 10.0
Send = Callable[[str], Awaitable[dict[str, Any]]]  # sends under a key; returns what was acknowledged
RETRYABLE_CODES = ("busy", "draining", "rate_limited", "not_in_room", "internal")  # sending again may help


class NotAccepted(Exception):
    """The server refused an event; `error` is the error in its ack."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error


@dataclass
class ClientRecord:
    """Everything one client sent and saw; an audit compares it with what the server stored."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)  # key -> message as acknowledged
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)  # seq -> message, live or replayed
    live: list[int] = field(
        default_factory=list
    )  # seqs in the order in which they arrived live; 0 for a new connection
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # job -> newest state
    unfinished: set[str] = field(default_factory=set)  # jobs whose newest state is not final
    # for each connection, the final updates of jobs in the order in which they arrived live
    finals: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    times_shown: dict[str, int] = field(default_factory=dict)  # job -> number of final updates that arrived live
    requested: dict[str, dict[str, Any]] = field(default_factory=dict)  # key -> job as acknowledged
    acks: list[float] = field(default_factory=list)  # seconds each ack took
    times: dict[str, dict[str, float]] = field(default_factory=dict)  # job -> state -> when it was first seen


class ChatClient:
    """One Socket.IO client in one room, with a record of everything it sent and saw."""

    def __init__(
        self,
        url: str,
        name: str,
        room: str,
        on_event: Callable[[str, dict[str, Any]], None] | None = None,
        token: str = "",
    ) -> None:
        self.url, self.name, self.room, self.record = url, name, room, ClientRecord()
        self._brings = {"token": token} if token else {"name": name}
        self.ack_timeout = ACK_TIMEOUT_SECONDS
        self._on_event = on_event
        self._client = self._new_connection()

    async def connect(self) -> dict[str, Any]:
        """Connect and join the room after the last message seen; returns the join's ack. Raises ConnectionError."""
        if not self._client.connected:
            self.record.finals.append([])
            self.record.live.append(0)  # a new connection: live events start anew
            await self._client.connect(self.url, auth=self._brings, transports=["websocket"], wait_timeout=10)
        while True:
            # After a reconnect `after` asks for what was missed, also when no message was seen before.
            after = (
                {"after": max(self.record.messages, default=0)}
                if len(self.record.finals) > 2 or self.record.messages
                else {}
            )
            ack = await self.call("room:join", {"room": self.room, **after})
            for message in ack["messages"]:
                self.record.messages[message["seq"]] = message
            for job in ack["jobs"]:
                self._note_job(job)
            await self._fetch_further_jobs(ack)
            if not ack.get("more"):
                return ack

    async def _fetch_further_jobs(self, ack: dict[str, Any]) -> None:
        """Ask for the jobs that did not fit into the answer."""
        while ack.get("more_jobs") and ack["jobs"]:
            ack = await self.call("room:jobs", {"room": self.room, "after": ack["jobs"][-1]["id"]})
            for job in ack["jobs"]:
                self._note_job(job)

    async def call(self, event: str, data: Any) -> dict[str, Any]:
        """The ack of an event; raises NotAccepted, or ConnectionError when there is none."""
        try:
            ack: dict[str, Any] = await self._client.call(event, data, timeout=self.ack_timeout)
        except TimeoutError:
            # The connection may only look alive, so the next attempt gets a new one.
            await self._replace_connection()
            raise ConnectionError(f"no ack for {event} within {self.ack_timeout:g} s") from None
        except (BadNamespaceError, DisconnectedError) as error:
            raise ConnectionError(f"no ack for {event}: {error!r}") from None
        if not ack["ok"]:
            raise NotAccepted(ack["error"])
        return ack

    async def send_message(self, text: str, key: str | None = None, upload: str | None = None) -> dict[str, Any]:
        """Send a message once, record its ack, and return the message as acknowledged."""
        key = key or secrets.token_hex(8)
        before = time.perf_counter()
        ack = await self.call(
            "message:send", {"room": self.room, "key": key, "text": text, **({"upload": upload} if upload else {})}
        )
        self.record.acks.append(time.perf_counter() - before)
        message: dict[str, Any] = ack["message"]
        self.record.sent[key] = message
        return message

    async def request_job(
        self, task: str, args: dict[str, Any] | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Request a job once, record its ack, and return the job as acknowledged."""
        key = key or secrets.token_hex(8)
        ack = await self.call("job:create", {"room": self.room, "key": key, "task": task, "args": args or {}})
        job: dict[str, Any] = ack["job"]
        self.record.requested[key] = job
        self._note_job(job)
        return job

    async def send_until_acknowledged(self, send: Send, seconds: float = 120.0) -> dict[str, Any]:
        """Send under one key until there is an ack, reconnecting when needed; raises the last error after `seconds`."""
        key = secrets.token_hex(8)
        until = time.monotonic() + seconds
        while True:
            try:
                if not self.connected:
                    await self.connect()
                return await send(key)
            except NotAccepted as refusal:
                if refusal.error["code"] not in RETRYABLE_CODES or time.monotonic() > until:
                    raise
                await asyncio.sleep(refusal.error.get("retry_after", 0.2))
                if refusal.error["code"] == "not_in_room":  # its last join was refused
                    await self._join_again()
            except (ConnectionError, OSError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    async def _join_again(self) -> None:
        with contextlib.suppress(ConnectionError, NotAccepted, OSError):
            await self.connect()

    async def reconnect(self, seconds: float = 60.0) -> None:
        """Connect and join, as many attempts as it takes; raises the last error after `seconds`."""
        until = time.monotonic() + seconds
        while True:
            try:
                await self.connect()
                return
            except (ConnectionError, NotAccepted, OSError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    async def wait_until_final(self, jobs: int, seconds: float) -> bool:
        """Wait until so many jobs are known and all known jobs are final; returns False after `seconds`."""
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self.record.jobs) < jobs or self.record.unfinished:
                    await asyncio.sleep(0.02)
                return True
        return False

    async def close(self) -> None:
        """Disconnect."""
        await self._client.disconnect()

    @property
    def connected(self) -> bool:
        """Whether the client is connected."""
        return bool(self._client.connected)

    def _new_connection(self) -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False)
        for event, take in (("message:new", self._message), ("job:update", self._job)):
            client.on(event, take)
        for event in ("room:members", "typing", "flag:changed", "server:draining"):
            client.on(event, self._pass_on(event))
        return client

    async def _replace_connection(self) -> None:
        """Give up the connection, whatever its state, and prepare a new one."""
        old, self._client = self._client, self._new_connection()
        for event in ("message:new", "job:update"):
            old.on(event, lambda *_: None)  # events that still arrive there must not be recorded
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError, OSError):
            await asyncio.wait_for(old.disconnect(), 1.0)

    def _message(self, message: dict[str, Any]) -> None:
        self.record.messages[message["seq"]] = message
        self.record.live.append(message["seq"])
        self._notify("message:new", message)

    def _job(self, job: dict[str, Any]) -> None:
        if job["state"] in FINAL:
            self.record.times_shown[job["id"]] = self.record.times_shown.get(job["id"], 0) + 1
            self.record.finals[-1].append(job)
        self._note_job(job)
        self._notify("job:update", job)

    def _note_job(self, job: dict[str, Any]) -> None:
        self.record.times.setdefault(job["id"], {}).setdefault(job["state"], time.perf_counter())
        known = self.record.jobs.get(job["id"])
        if known is None or known["state"] not in FINAL or job["attempt"] > known["attempt"]:
            self.record.jobs[job["id"]] = job
            (self.record.unfinished.discard if job["state"] in FINAL else self.record.unfinished.add)(job["id"])

    def _pass_on(self, event: str) -> Callable[[dict[str, Any]], None]:
        return lambda data: self._notify(event, data)

    def _notify(self, event: str, data: dict[str, Any]) -> None:
        if self._on_event is not None:
            self._on_event(event, data)


TASKS_OF_A_MESSAGE = ("triage", "language", "sentiment")  # every user message starts these
TIME_OF_AN_ID = 10  # its first letters, which are in the order of time to the millisecond
TASKS_WITH_A_MESSAGE = ("summarize",)  # each of their successes is followed by one message


@dataclass
class Room:
    """All messages and jobs of one room, as the server stored them."""

    name: str
    messages: list[dict[str, Any]]
    jobs: list[dict[str, Any]]


@dataclass
class Findings:
    """What is wrong in a room: one sentence for each case."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Append the findings of another room."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.disordered += other.disordered

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.disordered)


async def stored_room(reader: ChatClient) -> Room:
    """Everything the server stored of a room, as a client sees it that was never there."""
    reader.record.messages[0] = {"seq": 0}  # so that the join asks for everything from the beginning
    await reader.reconnect()
    await reader.close()
    del reader.record.messages[0]
    messages = [reader.record.messages[seq] for seq in sorted(reader.record.messages)]
    return Room(reader.room, messages, list(reader.record.jobs.values()))


def audit(room: Room, records: Iterable[ClientRecord]) -> Findings:
    """Everything that is wrong in one room, given the records of all clients that were there."""
    found = Findings()
    for each in records:
        _check_acknowledged(room, each, found)
        _check_requested(room, each, found)
        _check_live_order(room, each, found)
    _check_sequence(room, found)
    _check_jobs(room, found)
    _check_answers(room, found)
    return found


def _check_acknowledged(room: Room, record: ClientRecord, found: Findings) -> None:
    """Every acknowledged message is stored exactly once, as it was acknowledged."""
    for key, message in record.sent.items():
        sender = message["sender"]["id"]
        there = [m for m in room.messages if m.get("key") == key and m["sender"]["id"] == sender]
        if not there:
            found.lost.append(f"{room.name}: message {key} of {sender} was acknowledged and is not there")
        elif len(there) > 1:
            found.doubled.append(f"{room.name}: message {key} of {sender} is there {len(there)} times")
        elif (there[0]["seq"], there[0]["text"]) != (message["seq"], message["text"]):
            found.lost.append(f"{room.name}: message {key} of {sender} is not what was acknowledged")


def _check_requested(room: Room, record: ClientRecord, found: Findings) -> None:
    """Every acknowledged job is stored."""
    for key, job in record.requested.items():
        there = [each for each in room.jobs if each["id"] == job["id"]]
        if not there:
            found.lost.append(f"{room.name}: job {key} ({job['task']}) was accepted and is not there")


def _check_sequence(room: Room, found: Findings) -> None:
    """seq counts up by one, from one."""
    seqs = [message["seq"] for message in room.messages]
    for seq, times in Counter(seqs).items():
        if times > 1:
            found.doubled.append(f"{room.name}: seq {seq} is there {times} times")
    if sorted(set(seqs)) != list(range(1, len(set(seqs)) + 1)):
        found.lost.append(f"{room.name}: seq has gaps: {_gaps(set(seqs))[:5]}")
    if seqs != sorted(seqs):
        found.disordered.append(f"{room.name}: messages are not in the order of seq")


def _check_jobs(room: Room, found: Findings) -> None:
    """Every user message started its jobs, once each, and every job ended in a final state."""
    by_message: dict[int, Counter[str]] = defaultdict(Counter)
    for job in room.jobs:
        if job["state"] not in FINAL:
            found.lost.append(f"{room.name}: job {job['id']} ({job['task']}) never ended, it is {job['state']}")
        if job.get("message") is not None and job.get("key") is None:
            by_message[job["message"]][job["task"]] += 1
    for message in room.messages:
        if message["kind"] != "user":
            continue
        for task in TASKS_OF_A_MESSAGE:
            times = by_message[message["seq"]][task]
            if times != 1:
                kind = found.lost if times == 0 else found.doubled
                kind.append(f"{room.name}: message {message['seq']} has {times} {task} jobs")


def _check_answers(room: Room, found: Findings) -> None:
    """A job is followed by at most one message; one that must be, by exactly one, in the order of the requests."""
    spoken = Counter(message["job"] for message in room.messages if message.get("job"))
    for job, times in spoken.items():
        if times > 1:
            found.doubled.append(f"{room.name}: job {job} answered {times} times")
    requested = [job for job in room.jobs if job["task"] in TASKS_WITH_A_MESSAGE]
    for job in requested:
        if job["state"] == "succeeded" and not spoken[job["id"]]:
            found.lost.append(f"{room.name}: job {job['id']} succeeded and its answer is not there")
    order = [message["job"] for message in room.messages if message.get("job") in {job["id"] for job in requested}]
    wanted = sorted(job["id"] for job in requested if job["id"] in order)  # IDs are in the order of time
    if list(dict.fromkeys(order)) != wanted:
        found.disordered.append(f"{room.name}: answers of one task came in another order than they were asked")


def _check_live_order(room: Room, record: ClientRecord, found: Findings) -> None:
    """Live events: seq grows on each connection, and each outcome arrives once, in the order of the messages."""
    last = 0
    for seq in record.live:
        if 0 < seq <= last:
            found.disordered.append(f"{room.name}: message {seq} came live after {last}")
        last = seq
    for id, times in record.times_shown.items():
        if times > 1:
            found.doubled.append(f"{room.name}: the outcome of job {id} was shown {times} times")
    for connection in record.finals:
        newest: dict[str, str] = {}
        for job in connection:
            if job["task"] not in TASKS_WITH_A_MESSAGE or job["state"] not in ("succeeded", "failed"):
                continue  # the answers of other tasks are shown as soon as they are there
            asked = job["id"][:TIME_OF_AN_ID]
            if asked < newest.get(job["task"], ""):
                found.disordered.append(f"{room.name}: {job['task']} {job['id']} was shown too late")
            newest[job["task"]] = max(asked, newest.get(job["task"], ""))


def _gaps(seqs: set[int]) -> list[int]:
    return [seq for seq in range(1, max(seqs, default=0) + 1) if seq not in seqs]
