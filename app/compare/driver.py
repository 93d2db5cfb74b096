"""`python -m app.compare.driver`: one process of real clients that put some of a workload's rooms under load.

The load is open: each message is sent when it is due, whether or not those before it were answered, and its time
counts from then. So a slow system does not slow its own load (Gil Tene calls the opposite "coordinated omission").
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from typing import Any

import msgspec
import requests
from PIL import Image
from socketio.exceptions import ConnectionError

from app.compare.client import ChatClient, Findings, NotAccepted, Send, audit, stored_room
from app.compare.samples import FINAL, Ack, JobTimes
from app.compare.workload import Arrival


class Assignment(msgspec.Struct, kw_only=True):
    """What one driver does in one run; the first line on its standard input, as JSON."""

    url: str
    due: list[Arrival]
    writers: dict[int, list[str]]  # room -> who writes there
    history: list[str]  # texts written into each room before the load begins
    on_message: list[str]  # tasks each user message starts
    after: dict[str, list[str]]  # task -> tasks that follow its success
    conditional: list[str]  # of those, the tasks that follow only some results
    takes: dict[str, list[str]]  # task -> the arguments it is asked for with
    has_ledger: bool  # whether the server can list the jobs of a room afterwards
    give_up_seconds: float  # without progress after which unfinished jobs count as lost


class Connected(msgspec.Struct, tag=True):
    """All clients have joined; the parent answers with the time at which the load begins, on the monotonic clock."""

    rooms: int


class Progress(msgspec.Struct, tag=True):
    """How many messages and requests were answered, and how many jobs are final."""

    sent: int
    final: int


class AllFinal(msgspec.Struct, tag=True):
    """All jobs are final, or there was no progress for too long. From here on the driver only audits."""


class Observed(msgspec.Struct, tag=True):
    """Everything a driver measured; times in seconds since the run began."""

    acks: list[Ack]
    jobs: list[JobTimes]
    drained: float | None
    lost: list[str]
    doubled: list[str]
    disordered: list[str]


DriverMessage = Connected | Progress | AllFinal | Observed

REFUSED_CODES = ("busy", "rate_limited", "too_large", "bad_request", "internal")  # counted; other codes are retried
ACK_TIMEOUT_SECONDS = 60.0  # after which a message counts as not acknowledged
HISTORY_TIMEOUT_SECONDS = 120.0  # for the jobs of the messages written before the load begins
PROGRESS_SECONDS = 0.5  # between two progress messages
CONNECTED_AT_ONCE = 50  # rooms


class Writer:
    """A client that sends several messages at once, and reconnects when its connection is lost."""

    def __init__(self, client: ChatClient) -> None:
        self.client = client
        self._connecting = asyncio.Lock()
        self._joined = False

    async def ensure_joined(self) -> None:
        """Connect and join unless that is done already; one attempt at a time."""
        async with self._connecting:
            if not (self._joined and self.client.connected):
                self._joined = False
                await self.client.connect()
                self._joined = True


class RoomUnderLoad:
    """One room: the clients that write there, one that watches, and what both saw of each message and job."""

    def __init__(self, assignment: Assignment, room: int, writers: list[str], wants_picture: bool) -> None:
        self._assignment, self._wants_picture = assignment, wants_picture
        self._upload: str | None = None
        self.name = self.name_of(room)
        self.begin = 0.0
        self.acks: list[Ack] = []
        self._writers = {name: Writer(ChatClient(assignment.url, name, self.name)) for name in writers}
        self._watcher = ChatClient(assignment.url, "Watcher", self.name)
        self._messages: dict[int, float] = {}  # seq -> when it was due
        self._requested: dict[str, float] = {}  # job -> when it was due
        self._by_message: dict[tuple[int, str], str] = {}
        self._jobs_indexed = 0
        self._watching: asyncio.Task[None] | None = None

    @staticmethod
    def name_of(room: int) -> str:
        """The name of a room by its number."""
        return f"compare-{room}"

    async def open(self) -> None:
        """Connect all clients, write the room's history, and wait until its jobs are final."""
        joined = await self._watcher.connect()
        if self._wants_picture:
            token = joined["upload_token"]
            self._upload = await asyncio.to_thread(_upload_picture, self._assignment.url, self.name, token)
        for writer in self._writers.values():
            await writer.ensure_joined()
        self._watching = asyncio.create_task(self._keep_watching())
        texts = self._assignment.history
        first = next(iter(self._writers.values())).client
        for text in texts:
            await first.send_until_acknowledged(partial(first.send_message, text))
        jobs = len(texts) * len(self._assignment.on_message)
        if not await self._watcher.wait_until_final(jobs, HISTORY_TIMEOUT_SECONDS):
            raise TimeoutError(f"the jobs of the history took over {HISTORY_TIMEOUT_SECONDS:g} s: lower `history`")

    async def send(self, arrival: Arrival) -> None:
        """Send one message when it is due, and request its jobs at the same time."""
        await asyncio.sleep(max(0.0, self.begin + arrival.at - time.monotonic()))
        asks = (self._request(arrival, task) for task in arrival.asks)
        await asyncio.gather(self._send_message(arrival), *asks)

    def all_final(self) -> bool:
        """Whether every expected job is known and final."""
        known = [self._job(id) for id in self._expected_jobs()]
        return all(job is not None and job["state"] in FINAL for job in known)

    def final(self) -> int:
        """How many of the room's jobs are final."""
        return sum(job["state"] in FINAL for job in self._watcher.record.jobs.values())

    def jobs(self) -> list[JobTimes]:
        """Every expected job, as the watcher saw it."""
        return [self._job_times(id) for id in self._expected_jobs()]

    async def audit(self) -> Findings:
        """What was lost, doubled or out of order, compared with what the server stored."""
        room = await stored_room(ChatClient(self._assignment.url, "Auditor", self.name))
        if not self._assignment.has_ledger:  # without a ledger only clients that were connected know of jobs
            room.jobs = list(self._watcher.record.jobs.values())
        records = [self._watcher.record, *(writer.client.record for writer in self._writers.values())]
        return audit(room, records)

    async def close(self) -> None:
        """Disconnect all clients."""
        if self._watching is not None:
            self._watching.cancel()
        for client in (self._watcher, *(writer.client for writer in self._writers.values())):
            with contextlib.suppress(ConnectionError, OSError):
                await client.close()

    async def _send_message(self, arrival: Arrival) -> None:
        client = self._writers[arrival.sender].client
        message = await self._send_until_acknowledged(arrival, "", partial(client.send_message, arrival.text))
        if message is not None:
            self._messages[message["seq"]] = arrival.at

    async def _request(self, arrival: Arrival, task: str) -> None:
        client, args = self._writers[arrival.sender].client, self._args(task, arrival.text)
        job = await self._send_until_acknowledged(arrival, task, partial(client.request_job, task, args))
        if job is not None:
            self._requested[job["id"]] = arrival.at

    async def _send_until_acknowledged(self, arrival: Arrival, task: str, send: Send) -> dict[str, Any] | None:
        """Send under one key until there is an ack, as the chat page does; record it, and return what was accepted."""
        writer, due = self._writers[arrival.sender], arrival.at
        key, sent = secrets.token_hex(8), time.monotonic() - self.begin
        while True:
            try:
                await writer.ensure_joined()
                accepted: dict[str, Any] = await send(key)
            except NotAccepted as refusal:
                code = refusal.error["code"]
                if code in REFUSED_CODES:
                    self.acks.append(Ack(due, time.monotonic() - self.begin, code, task, sent))
                    return None
            except (ConnectionError, OSError):
                code = "no_ack"
            else:
                self.acks.append(Ack(due, time.monotonic() - self.begin, "ok", task, sent))
                return accepted
            if time.monotonic() - self.begin - due > ACK_TIMEOUT_SECONDS:
                self.acks.append(Ack(due, None, code, task, sent))
                return self._accepted_under(key)
            await asyncio.sleep(0.1)

    def _accepted_under(self, key: str) -> dict[str, Any] | None:
        """What was accepted under this key although no ack came, if the watcher saw it."""
        record = self._watcher.record
        found = (each for each in (*record.messages.values(), *record.jobs.values()) if each.get("key") == key)
        return next(found, None)

    def _args(self, task: str, text: str) -> dict[str, Any]:
        values = {"text": text, "upload": self._upload}
        return {name: values[name] for name in self._assignment.takes[task]}

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            if not self._watcher.connected:
                with contextlib.suppress(ConnectionError, NotAccepted, OSError):  # the next round tries again
                    await self._watcher.reconnect()

    def _expected_jobs(self) -> list[tuple[int, str] | str]:
        """The jobs that must exist: by message and task, or by ID."""
        expected: list[tuple[int, str] | str] = list(self._requested)
        for seq in self._messages:
            tasks = list(self._assignment.on_message)
            for task in tasks:
                expected.append((seq, task))
                job = self._job((seq, task))
                if job is not None and job["state"] == "succeeded":
                    tasks += [each for each in self._assignment.after.get(task, []) if self._is_expected(seq, each)]
        return expected

    def _is_expected(self, seq: int, follower: str) -> bool:
        return follower not in self._assignment.conditional or self._job((seq, follower)) is not None

    def _job(self, which: tuple[int, str] | str) -> dict[str, Any] | None:
        jobs = self._watcher.record.jobs
        if len(jobs) != self._jobs_indexed:  # jobs are only ever added, so index them when there are new ones
            self._jobs_indexed = len(jobs)
            self._by_message = {
                (job["message"], job["task"]): id
                for id, job in jobs.items()
                if job.get("message") is not None and job.get("key") is None
            }
        return jobs.get(which if isinstance(which, str) else self._by_message.get(which, ""))

    def _job_times(self, which: tuple[int, str] | str) -> JobTimes:
        job = self._job(which)
        if job is None:
            seq, task = which if isinstance(which, tuple) else (0, self._task_of(which))
            return JobTimes(task, "", "lost", self._messages.get(seq, 0.0), None, None, None, None, 0)
        due = self._requested[which] if isinstance(which, str) else self._messages[which[0]]
        seen = {state: at - self._begin_on_record_clock for state, at in self._watcher.record.times[job["id"]].items()}
        final = next((seen[state] for state in FINAL if state in seen), None)
        run = job.get("ms")
        started = seen.get("running")
        if final is not None and run is not None:
            # The `running` update counts, unless it arrived later than the run can have begun.
            started = min(started if started is not None else final, final - run / 1000)
        state = job["state"] if job["state"] in FINAL else "lost"
        return JobTimes(job["task"], job["path"], state, due, seen.get("accepted"), started, final, run, job["attempt"])

    def _task_of(self, id: str) -> str:
        requested = (job for writer in self._writers.values() for job in writer.client.record.requested.values())
        return next((str(job["task"]) for job in requested if job["id"] == id), "")

    @property
    def _begin_on_record_clock(self) -> float:
        """The start of the load on the clock of the client records (time.perf_counter)."""
        return self.begin + time.perf_counter() - time.monotonic()


async def drive(assignment: Assignment) -> None:
    """Connect, wait for the start, send the load, wait until all jobs are final, and write what was observed."""
    wants_picture = any("upload" in arguments for arguments in assignment.takes.values())
    rooms = {
        number: RoomUnderLoad(assignment, number, writers, wants_picture)
        for number, writers in assignment.writers.items()
    }
    for batch in _batches(list(rooms.values()), CONNECTED_AT_ONCE):
        await asyncio.gather(*(room.open() for room in batch))
    _write(Connected(len(rooms)))
    start = await asyncio.to_thread(sys.stdin.readline)
    if not start:
        return  # the parent is gone
    begin = float(start)
    for room in rooms.values():
        room.begin = begin
    reporting = asyncio.create_task(_report_progress(list(rooms.values())))
    await asyncio.gather(*(rooms[arrival.room].send(arrival) for arrival in assignment.due))
    await _wait_until_final(list(rooms.values()), assignment.give_up_seconds)
    reporting.cancel()
    _write(AllFinal())
    _write(await _observed(assignment, list(rooms.values())))
    await asyncio.gather(*(room.close() for room in rooms.values()))


async def _wait_until_final(rooms: list[RoomUnderLoad], give_up_seconds: float) -> None:
    """Wait until every expected job is final, or until there was no progress for too long."""
    final, since = -1, time.monotonic()
    while not all(room.all_final() for room in rooms):
        now = sum(room.final() for room in rooms)
        if now != final:
            final, since = now, time.monotonic()
        if time.monotonic() - since > give_up_seconds:
            return
        await asyncio.sleep(0.1)


async def _observed(assignment: Assignment, rooms: list[RoomUnderLoad]) -> Observed:
    jobs = [row for room in rooms for row in room.jobs()]
    last = max((arrival.at for arrival in assignment.due), default=0.0)
    ends = [row.final for row in jobs if row.final is not None]
    complete = all(row.state != "lost" for row in jobs)
    observed = Observed(
        acks=[ack for room in rooms for ack in room.acks],
        jobs=jobs,
        drained=max(0.0, max(ends, default=last) - last) if complete else None,
        lost=[],
        doubled=[],
        disordered=[],
    )
    for room in rooms:
        found = await room.audit()
        observed.lost += found.lost
        observed.doubled += found.doubled
        observed.disordered += found.disordered
    return observed


async def _report_progress(rooms: list[RoomUnderLoad]) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        _write(Progress(sum(len(room.acks) for room in rooms), sum(room.final() for room in rooms)))


def _upload_picture(url: str, room: str, token: str) -> str:
    """Upload an image such as people send to this room; returns its ID."""
    image = BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((640, 480)).save(image, "JPEG")
    answer = requests.post(
        f"{url}/api/uploads",
        data={"room": room, "token": token},
        files={"file": ("picture.jpg", image.getvalue(), "image/jpeg")},
        headers={"Origin": url},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["upload"])


def _batches(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _write(answer: DriverMessage) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Drive one assignment; returns 1 after one line on standard error when the clients cannot connect."""
    assignment = msgspec.json.decode(sys.stdin.readline(), type=Assignment)
    try:
        asyncio.run(drive(assignment))
    except (ConnectionError, NotAccepted, OSError) as error:
        print(f"driver: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
