"""One room of a run: those who write there, one who watches, and what both saw of each message and job."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from socketio.exceptions import ConnectionError

from app.compare.orders import Orders
from app.compare.samples import FINAL, Ack, JobTimes
from app.compare.workload import Arrival
from app.drive.audit import Findings, audit, kept
from app.drive.client import NotAccepted, Person

REFUSED = ("busy", "rate_limited", "too_large", "bad_request", "internal")  # counted; anything else is tried again
ACK_PATIENCE = 60.0  # seconds after which a message counts as not acknowledged
HISTORY_PATIENCE = 120.0  # seconds for the jobs of what was said before the load
Send = Callable[[str], Awaitable[dict[str, Any]]]


class Writer:
    """One connection that sends several messages at once, and comes back when it is lost."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._coming = asyncio.Lock()
        self._joined = False

    async def there(self) -> None:
        """Connected and joined; one try at a time."""
        async with self._coming:
            if not (self._joined and self.person.connected):
                self._joined = False
                await self.person.connect()
                self._joined = True


class Place:
    """A room under load."""

    def __init__(self, orders: Orders, room: int, writers: list[str], upload: str | None) -> None:
        self._orders, self._upload = orders, upload
        self.name = self.name_of(room)
        self.begin = 0.0
        self.acks: list[Ack] = []
        self._writers = {name: Writer(Person(orders.url, name, self.name)) for name in writers}
        self._watcher = Person(orders.url, "Watcher", self.name)
        self._messages: dict[int, float] = {}  # seq -> when it was due
        self._asked: dict[str, float] = {}  # job -> when it was due
        self._by_message: dict[tuple[int, str], str] = {}
        self._known = 0
        self._watching: asyncio.Task[None] | None = None

    @staticmethod
    def name_of(room: int) -> str:
        """What a room of a run is called."""
        return f"compare-{room}"

    async def open(self) -> None:
        """Everybody comes, and what the room talked about before is written and settled."""
        await self._watcher.connect()
        for writer in self._writers.values():
            await writer.there()
        self._watching = asyncio.create_task(self._watch())
        texts = self._orders.history
        first = next(iter(self._writers.values())).person
        for text in texts:
            await first.insist(lambda key, text=text: first.say(text, key))  # type: ignore[misc]
        if not await self._watcher.settled(len(texts) * len(self._orders.on_message), HISTORY_PATIENCE):
            raise TimeoutError(
                f"the jobs of the history were not done within {HISTORY_PATIENCE:g} s: less of it, please"
            )

    async def send(self, arrival: Arrival) -> None:
        """Send one message when it is due, and ask at the same moment for what is to be asked for."""
        await asyncio.sleep(max(0.0, self.begin + arrival.at - time.monotonic()))
        asks = (self._request(arrival, task) for task in arrival.asks)
        await asyncio.gather(self._say(arrival), *asks)

    def settled(self) -> bool:
        """Whether every job that must come has come and is final."""
        return all(self._job(id) is not None and self._job(id)["state"] in FINAL for id in self._expected())  # type: ignore[index]

    def final(self) -> int:
        """How many of its jobs are final."""
        return sum(job["state"] in FINAL for job in self._watcher.books.jobs.values())

    def jobs(self) -> list[JobTimes]:
        """Every job that its messages started or that was asked for, as the watcher saw it."""
        return [self._row(id) for id in self._expected()]

    async def audit(self) -> Findings:
        """What is lost, doubled or out of order, held against what the server kept."""
        room = await kept(self._orders.url, self.name)
        if not self._orders.kept:  # without a ledger nobody but those who were there knows of jobs
            room.jobs = list(self._watcher.books.jobs.values())
        books = [self._watcher.books, *(writer.person.books for writer in self._writers.values())]
        return audit(room, books)

    async def close(self) -> None:
        """Everybody leaves."""
        if self._watching is not None:
            self._watching.cancel()
        for person in (self._watcher, *(writer.person for writer in self._writers.values())):
            with contextlib.suppress(ConnectionError, OSError):
                await person.close()

    async def _say(self, arrival: Arrival) -> None:
        person = self._writers[arrival.sender].person
        message = await self._acknowledged(arrival, "", lambda key: person.say(arrival.text, key))
        if message is not None:
            self._messages[message["seq"]] = arrival.at

    async def _request(self, arrival: Arrival, task: str) -> None:
        person, args = self._writers[arrival.sender].person, self._args(task, arrival.text)
        job = await self._acknowledged(arrival, task, lambda key: person.ask(task, args, key))
        if job is not None:
            self._asked[job["id"]] = arrival.at

    async def _acknowledged(self, arrival: Arrival, task: str, send: Send) -> dict[str, Any] | None:
        """Send under one key until there is an answer, as the page does; notes it, and returns what was accepted."""
        writer, due = self._writers[arrival.sender], arrival.at
        key, sent = secrets.token_hex(8), time.monotonic() - self.begin
        while True:
            try:
                await writer.there()
                accepted: dict[str, Any] = await send(key)
            except NotAccepted as no:
                code = no.error["code"]
                if code in REFUSED:
                    self.acks.append(Ack(due, time.monotonic() - self.begin, code, task, sent))
                    return None
            except (ConnectionError, OSError):
                code = "no_ack"
            else:
                self.acks.append(Ack(due, time.monotonic() - self.begin, "ok", task, sent))
                return accepted
            if time.monotonic() - self.begin - due > ACK_PATIENCE:
                self.acks.append(Ack(due, None, code, task, sent))
                return self._seen(key)
            await asyncio.sleep(0.1)

    def _seen(self, key: str) -> dict[str, Any] | None:
        """What was accepted under this key without an ack, if others have seen it."""
        books = self._watcher.books
        found = (each for each in (*books.messages.values(), *books.jobs.values()) if each.get("key") == key)
        return next(found, None)

    def _args(self, task: str, text: str) -> dict[str, Any]:
        values = {"text": text, "upload": self._upload}
        return {name: values[name] for name in self._orders.takes[task]}

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            if not self._watcher.connected:
                with contextlib.suppress(ConnectionError, NotAccepted, OSError):  # the next look tries again
                    await self._watcher.come_back()

    def _expected(self) -> list[tuple[int, str] | str]:
        """The jobs that must be there: by message and task, or by ID."""
        expected: list[tuple[int, str] | str] = list(self._asked)
        for seq in self._messages:
            tasks = list(self._orders.on_message)
            for task in tasks:
                expected.append((seq, task))
                job = self._job((seq, task))
                if job is not None and job["state"] == "succeeded":
                    tasks += self._orders.after.get(task, [])
        return expected

    def _job(self, which: tuple[int, str] | str) -> dict[str, Any] | None:
        jobs = self._watcher.books.jobs
        if len(jobs) != self._known:  # jobs are only ever added: look through them when there are new ones
            self._known = len(jobs)
            self._by_message = {
                (job["message"], job["task"]): id
                for id, job in jobs.items()
                if job.get("message") is not None and job.get("key") is None
            }
        return jobs.get(which if isinstance(which, str) else self._by_message.get(which, ""))

    def _row(self, which: tuple[int, str] | str) -> JobTimes:
        job = self._job(which)
        if job is None:
            seq, task = which if isinstance(which, tuple) else (0, self._task_of(which))
            return JobTimes(task, "", "lost", self._messages.get(seq, 0.0), None, None, None, None, 0)
        due = self._asked[which] if isinstance(which, str) else self._messages[which[0]]
        seen = {state: at - self._clock for state, at in self._watcher.books.times[job["id"]].items()}
        final = next((seen[state] for state in FINAL if state in seen), None)
        run = job.get("ms")
        started = seen.get("running")
        if final is not None and run is not None:
            # What was shown as running counts, unless the word came later than the run itself can have begun.
            started = min(started if started is not None else final, final - run / 1000)
        state = job["state"] if job["state"] in FINAL else "lost"
        return JobTimes(job["task"], job["path"], state, due, seen.get("accepted"), started, final, run, job["attempt"])

    def _task_of(self, id: str) -> str:
        asked = (job for writer in self._writers.values() for job in writer.person.books.asked.values())
        return next((str(job["task"]) for job in asked if job["id"] == id), "")

    @property
    def _clock(self) -> float:
        """The run's beginning on the clock the books are kept by."""
        return self.begin + time.perf_counter() - time.monotonic()
