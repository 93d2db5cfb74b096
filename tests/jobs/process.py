"""The inside of a web process without its ports: real store, lifecycle, desk and simple path; a test plays the world.

The world is: who connects (they keep what they receive), what runs an attempt (a test says how it ended), the broker
(it keeps what was published until its result was acknowledged), and the clock.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, select

from app.auth.admission import Admission
from app.auth.grant import open_to
from app.chat.choices import Choices
from app.chat.clients import Client
from app.chat.desk import Desk
from app.chat.events import Events
from app.chat.expiry import Expiry
from app.chat.intake import Intake
from app.chat.loading import Loading
from app.chat.rate import Rates
from app.chat.services import Services
from app.chat.waiting import Waiting
from app.contract import Outcome, Person, WorkerDoing
from app.controls.controls import Controls
from app.due import Due
from app.effects import Effects, Receipt
from app.jobs import ledger
from app.jobs.announcer import Announcer
from app.jobs.begun import Begun
from app.jobs.consequences import UserCode
from app.jobs.held_back import HeldBack
from app.jobs.job import Job
from app.jobs.lifecycle import Lifecycle
from app.jobs.off_stream import OffStream
from app.jobs.pauses import Pauses
from app.jobs.resume import resume
from app.links import Links
from app.metrics import Metrics
from app.paths.auto import Auto
from app.paths.background import Background
from app.paths.gate import Gate
from app.paths.routing import Routing
from app.publisher import Publisher
from app.rooms import Rooms
from app.settings import Settings
from app.store.schema import jobs as jobs_table
from app.store.sqlite import Sqlite
from app.store.store import Store
from app.tasks import Task
from tests.own_loop import OwnLoop
from tests.store.inside import kill, other_connection


@dataclass(eq=False)
class Guest:
    """A connection that keeps everything it receives."""

    name: str
    sid: str
    acks: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    who: Client | None = None
    closed: bool = False
    is_behind: bool = False

    def ack(self, id: bytes, body: bytes) -> None:
        """An acknowledgement arrives."""
        assert id not in self.acks, "acknowledged twice"
        self.acks[id] = json.loads(body)

    def close(self) -> None:
        """It is cut off."""
        self.closed = True


class Wire:
    """Brings broadcasts to guests."""

    def broadcast(self, connections: Iterable[Guest], body: bytes) -> None:
        """At once."""
        event, data = json.loads(body)
        for each in connections:
            each.received.append((event, data))

    def flush(self) -> None:
        """Nothing is held back."""


class Broker:
    """Keeps attempts until their result is acknowledged; it outlives a process."""

    depth: tuple[int, int] | None = None
    reconnects = 0

    def __init__(self) -> None:
        self.attempts: list[tuple[str, int]] = []
        self.handed_over: list[tuple[str, int]] = []  # as they came, twice where they came twice
        self.acknowledged: list[bytes] = []
        self.told_cancelled: list[str] = []
        self.purged: list[str] = []
        self.is_away = False
        self.doing: list[WorkerDoing] = []  # what workers say
        self.waiting: list[Job] = []  # while it is away

    def reserve(self, task: str) -> bool:
        """Slots are the workers' own."""
        return False

    def release(self, task: str) -> None:
        """There is nothing to give back."""

    def drop(self, tasks: Iterable[str]) -> list[Job]:
        """These wait here no longer."""
        dropped = [job for job in self.waiting if job.task in tasks]
        self.waiting = [job for job in self.waiting if job.task not in tasks]
        return dropped

    def come_back(self) -> None:
        """What waits is published."""
        self.is_away, waiting, self.waiting = False, self.waiting, []
        for job in waiting:
            self.submit(job)

    async def newest_places(self) -> list[tuple[int, int]]:
        """As many as were ever published; none while it is away."""
        return [] if self.is_away else [(0, len(self.attempts))]

    async def purge(self, tasks: Iterable[str], places: list[tuple[int, int]]) -> bool:
        """These come off the stream."""
        self.purged += tasks
        return True

    def submit(self, job: Job) -> None:
        """Published, and kept once."""
        self.handed_over.append((job.id, job.attempt))
        if self.is_away:
            self.waiting.append(job)
        elif (job.id, job.attempt) not in self.attempts:
            self.attempts.append((job.id, job.attempt))

    def backlog(self) -> int:
        """Nothing waits here."""
        return 0

    def cancelled(self, job: Job) -> None:
        """Workers hear of it."""
        self.told_cancelled.append(job.id)

    def ready(self) -> bool:
        """While it is there."""
        return not self.is_away

    def workers(self) -> list[WorkerDoing]:
        """Those that a test has put there."""
        return self.doing

    def take(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        """There is one process."""

    async def call_back(self, subject: str, headers: dict[str, str], body: bytes) -> str | None:
        """Taken."""
        return None

    async def close(self, seconds: float) -> None:
        """Nothing to close."""

    def acknowledge(self, receipts: list[bytes]) -> None:
        """These results are taken off."""
        self.acknowledged += receipts


class Process:
    """One life of a web process on a database file."""

    def __init__(
        self,
        folder: Path,
        tasks: Mapping[str, Task],
        broker: Broker | None = None,
        flag: Callable[[str, str], str] = lambda task, room: "simple",
        slots: int = 2,
        max_backlog: int = 1_000_000,
        url: str = "",
    ) -> None:
        self.url = url or f"sqlite:///{folder / 'x.db'}"
        self.own, self.broker, self.folder = OwnLoop(), broker or Broker(), folder
        self.loop = loop = self.own.loop
        self.wire, self.rooms, self.metrics = Wire(), Rooms(), Metrics()
        self.runs: list[tuple[Job, int]] = []  # attempts that run on the simple path
        self.outcome = Outcome(state="succeeded")
        self._asked = 0
        # `Database` and `Due` look at the loop's clock when they are made: inside of it, as in a web process
        self.own.run(self._make(tasks, flag, slots, max_backlog, loop))

    async def _make(self, tasks: Mapping[str, Task], flag: Any, slots: int, max_backlog: int, loop: Any) -> None:
        self.store = Store(self.url, self.own, Effects)
        self.background = Background(self._begin, _now, lambda job: self.outcome, slots)
        self.controls = Controls(self.store, tasks, ledger.stood_still)
        self.routing = Routing(
            flag, self.background, Auto(self.background), max_backlog, lambda: self.broker,
            partial(Gate, loop, tasks, self.controls.is_paused),
        )  # fmt: skip
        self.publisher = Publisher(self.wire, self.rooms, self.routing.submit)
        self.publisher.acknowledge = self.broker.acknowledge
        self.store.writer.publish = self.publisher.apply
        self.due, self.user_code, self.loading = Due(loop), UserCode(self.own), Loading(self.store, self.rooms)
        self.life = Lifecycle(
            self.store, self.rooms, tasks, self.routing, self.metrics, loop, self.user_code,
            Announcer(loop, self.publisher.show_jobs, self.store.writer.when_committed),
            self.due, lambda upload: f"/uploads/{upload}", lambda upload: {},
            self.loading.room, self.loading.history, True, self.controls,
        )  # fmt: skip
        self.life.begun = Begun(self.folder / "begun", slots)
        self.background.settle, self.background.begin = self.life.settle, self.life.start
        self.life.is_answered = partial(self.loading.is_answered, by_anybody=True)
        self.held_back = HeldBack(self.life, self.controls)
        self.pauses = Pauses(self.life, self.controls, self.held_back)
        self.off_stream = OffStream(self.life, self.held_back, self.controls.is_paused)
        expiry = Expiry(loop)
        waiting, uploads, rates = Waiting(), cast("Any", AnyUpload()), Rates(None)
        self.intake = Intake(
            self.rooms,
            self.loading,
            tasks,
            self.life,
            self.user_code,
            waiting,
            uploads,
            lambda callback: None,
            Settings(),
        )
        self.services = Services(self.intake, self.rooms, self.loading, self.life, self.store, rates, loop)
        self.events = Events(
            self.store, self.rooms, self.loading, self.life, self.intake, waiting, self.publisher.apply,
            self.wire.broadcast, uploads, loop, None, expiry,
            Choices(self.store, tasks, self.publisher.apply),
        )  # fmt: skip
        self.desk = Desk(
            self.events, self.store, rates, self.metrics, self.publisher.apply, lambda: False, loop,
            Admission(None), expiry,
        )  # fmt: skip

    def _begin(self, run: Any, job: Job, attempt: int) -> None:
        self.life.begun.note(job.n)
        self.runs.append((job, attempt))

    # What a test does with it

    def start(self) -> None:
        """Take up what the last life left."""
        self.own.run(self._start())

    async def _start(self) -> None:
        await self.controls.load()
        await resume(self.life, self.loading.all_of)
        self.pauses.begin()

    def guest(self, name: str, *rooms: str) -> Guest:
        """Somebody who is in these rooms."""
        guest = Guest(name, f"sid-{name}")
        guest.who = Client(guest, open_to(Person(name, name)), "address")
        self.desk.clients.add(guest.who)
        self.own.run(self.loading.all_of(rooms))
        for room in rooms:
            self.rooms[room].let_in(guest)
            guest.who.rooms.add(room)
        return guest

    def ask(self, guest: Guest, event: str, **data: Any) -> bytes:
        """Send an event; returns the number of its acknowledgement."""
        self._asked += 1
        id = b"%d" % self._asked
        self.desk.take(guest, id, json.dumps([event, data], separators=(",", ":")).encode())
        return id

    def end_run(self, index: int, outcome: Outcome) -> tuple[Job, int]:
        """One of the attempts that run here ends like this."""
        job, attempt = self.runs.pop(index)
        self.outcome = outcome
        self.background._run(job, attempt)
        return job, attempt

    def result(self, id: str, attempt: int, outcome: Outcome) -> None:
        """A worker's result arrives."""
        self.life.settle_by_id(id, attempt, outcome, Receipt(f"{id}.{attempt}".encode(), 1))

    def turn(self) -> None:
        """Run until nothing is under way any more."""
        self.own.run(self._quiet())

    async def _quiet(self) -> None:
        me = asyncio.current_task()
        for _ in range(3):  # what ended may have begun something else
            while others := asyncio.all_tasks() - {me}:
                _, waiting = await asyncio.wait(others, timeout=0.02)
                if waiting:  # for what was refused and is tried again in half a second
                    self.pass_time(0.3)
            await self.store.settled()
            await asyncio.sleep(0)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have it run with the next turns."""
        return self.loop.create_task(coroutine)

    def pass_time(self, seconds: float) -> None:
        """Both clocks go on."""
        self.own.clock.ahead += seconds

    def read(self, query: Callable[[Connection], Any]) -> Any:
        """What the database says, by a connection of its own, whatever the store is doing."""
        with other_connection(self.store, self.url) as connection:
            return query(connection)

    def stored(self, id: str) -> Job:
        """The job as the ledger has it."""
        found = self.read(lambda connection: ledger.find(connection, id))
        assert found is not None
        return found  # type: ignore[no-any-return]

    def all_jobs(self) -> dict[str, Job]:
        """Every job of the ledger, by ID, in the order of acceptance."""
        rows = self.read(lambda connection: list(connection.execute(select(jobs_table).order_by(jobs_table.c.n))))
        return {row.id: ledger.from_row(row) for row in rows}

    def kill(self) -> None:
        """The process is gone: what was not committed is lost, and nothing is said to anybody."""
        kill(self.store, self.own)
        if self.user_code._work is not None:
            self.user_code._work.put(None)
        self.own.join()
        self.own.close()
        if isinstance(self.store._database, Sqlite):
            self.store._database.let_go()


class AnyUpload:
    """Every upload is in every room."""

    links = Links("k" * 32, "http://127.0.0.1")

    async def is_in(self, room: str, id: str) -> bool:
        """It is."""
        return True


def now() -> float:
    """Seconds since 1970, as the process sees them."""
    return time.time()


def _now(function: Callable[..., None], *args: Any) -> None:
    function(*args)
