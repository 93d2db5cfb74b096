"""The figures of this moment: for the operator page, for the record of the last hour, and for Prometheus."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from app.contract import Doing, WorkerDoing
from app.jobs import dead_letters as letters
from app.jobs import ledger
from app.jobs.job import Job
from app.metrics import Metrics
from app.paths.background import Background
from app.paths.plain import Plain
from app.paths.routing import Routing
from app.store.store import Store
from app.transport.transport import Transport

OLDEST_SECONDS = 5.0  # between two looks for the job that waits longest
MAX_SHOWN = 20  # jobs of one process or worker


class QueueSeen(msgspec.Struct):
    """The queue as one process sees it."""

    connected: bool
    pending: int
    bytes: int
    outbox: int


class OfProcess(msgspec.Struct):
    """The figures of one web process."""

    id: str
    address: str
    draining: bool
    running: int
    backlog: int
    clients: int
    hub_lag_ms: float
    queue: QueueSeen | None
    jobs: list[Doing]


class Shared(NamedTuple):
    """How many web processes share the database, what this one owns of it, and how often it took over, or missed, something."""

    processes: int = 1
    rooms: int = 0
    taken_over: int = 0
    gaps: int = 0


async def _nobody() -> list[OfProcess]:
    return []


class Gauges:
    """Reads them where they are."""

    def __init__(
        self,
        runner: Background | Plain,
        routing: Routing,
        metrics: Metrics,
        transport: Transport,
        store: Store,
        jobs: Mapping[str, Job],
        paused: Callable[[], list[str]],
    ) -> None:
        """`jobs` are the unfinished ones in memory, in the order of acceptance; `paused` names tasks that may not start."""
        self._runner, self._routing, self._metrics = runner, routing, metrics
        self._transport, self._store, self._jobs, self._paused = transport, store, jobs, paused
        self.oldest = 0.0  # seconds that the job has waited which waits longest, and may start
        self.held_back = 0  # jobs that may not, for a pause
        self.owner: str | None = None  # this process, where others may own rooms, too
        self.process, self.address = "web", ""
        self.draining: Callable[[], bool] = lambda: False
        self.shared: Callable[[], Shared] = Shared
        self.others: Callable[[], Awaitable[list[OfProcess]]] = _nobody  # what the other web processes say

    def now(self) -> dict[str, float | None]:
        """By their names in `live.record.GAUGES`; None for those of a queue not in use."""
        queued = self._routing.queued
        messages, size = (queued.depth if queued is not None else None) or (None, None)
        return {
            "running": len(self._runner.running),
            "backlog": self._runner.backlog() + self._routing.gate.held(path="simple"),
            "outbox": self._outbox() if queued is not None else None,
            "queue_messages": messages,
            "queue_bytes": size,
            "hub_lag_ms": round(self._metrics.hub_lag * 1000, 1),
            "clients": len(self._transport.connections),
        }

    async def figures(self) -> dict[str, Any]:
        """As GET /api/operator shows them: those of all web processes together."""
        processes = [self.own(), *await self.others()]
        queues = [each.queue for each in processes if each.queue is not None]
        queue = {
            "connected": all(each.connected for each in queues),
            "pending": max((each.pending for each in queues), default=0),  # each sees the whole stream
            "bytes": max((each.bytes for each in queues), default=0),
            "outbox": sum(each.outbox for each in queues),
        }
        return {
            **{name: sum(getattr(each, name) for each in processes) for name in ("running", "backlog", "clients")},
            "hub_lag_ms": max(each.hub_lag_ms for each in processes),
            "dead_letters": await self._store.read(letters.count),
            "queue": queue if queues else None,
            "processes": [_described(each) for each in processes],
            "workers": [msgspec.structs.replace(each, running=each.running[:MAX_SHOWN]) for each in self._workers()],
        }

    def _workers(self) -> list[WorkerDoing]:
        return self._routing.queued.workers() if self._routing.queued is not None else []

    def own(self) -> OfProcess:
        """What this process has to say for itself."""
        now, queued = self.now(), self._routing.queued
        queue = None
        if queued is not None:
            messages, size = queued.depth or (0, 0)
            queue = QueueSeen(queued.ready(), messages, size, self._outbox())
        busy = list(itertools.islice(self._runner.running.values(), MAX_SHOWN))
        return OfProcess(
            id=self.process,
            address=self.address,
            draining=self.draining(),
            running=int(now["running"] or 0),
            backlog=int(now["backlog"] or 0),
            clients=int(now["clients"] or 0),
            hub_lag_ms=now["hub_lag_ms"] or 0.0,
            queue=queue,
            jobs=[Doing(job.id, job.task, job.room, _since(job)) for job in busy],
        )

    async def look(self) -> None:
        """Look how long the job has waited that waits longest, and at what pauses hold; called every OLDEST_SECONDS."""
        paused = self._paused()
        at = await self._store.read(lambda connection: ledger.oldest_at_broker(connection, paused))
        for job in self._jobs.values():  # in the order of acceptance, but for few
            if _waits(job) and job.task not in paused:
                at = min(at or job.at, job.at)
                break
        self.oldest = max(time.time() - at, 0.0) if at is not None else 0.0
        self.held_back = await self._count_held_back(paused) if paused else 0

    async def _count_held_back(self, paused: list[str]) -> int:
        """In memory, and in the ledger alone."""
        kept = await self._store.read(lambda connection: ledger.count_held_back(connection, paused, self.owner))
        return kept + sum(_waits(job) and job.task in paused for job in self._jobs.values())

    def _outbox(self) -> int:
        queued = self._routing.queued
        return self._routing.gate.held(path="queued") + (queued.backlog() if queued is not None else 0)

    def export(self) -> None:
        """Give Prometheus the same gauges; it reads 0 for those of a queue not in use."""
        for name, about, which in (
            ("spillway_jobs_running", "Jobs running on the simple path", "running"),
            ("spillway_jobs_backlog", "Jobs waiting on the simple path", "backlog"),
            ("spillway_outbox", "Attempts the broker has not confirmed", "outbox"),
            ("spillway_queue_messages", "Messages on the stream of jobs", "queue_messages"),
            ("spillway_queue_bytes", "Bytes on the stream of jobs", "queue_bytes"),
            ("spillway_clients", "Connected clients", "clients"),
        ):
            self._metrics.gauge(name, about, lambda which=which: self.now()[which] or 0)  # type: ignore[misc]
        self._metrics.gauge("spillway_hub_lag_last_seconds", "How late the hub was last", lambda: self._metrics.hub_lag)
        self._metrics.gauge("spillway_oldest_waiting_seconds", "Age of the oldest job that waits", lambda: self.oldest)
        self._metrics.gauge("spillway_jobs_held_back", "Jobs that wait for a pause to end", lambda: self.held_back)
        self._metrics.gauge(
            "spillway_database_up", "Whether the database can be written", lambda: not self._store.troubles()
        )
        self._export_queue()
        self._export_shared()

    def _export_shared(self) -> None:
        gauge, counter = self._metrics.gauge, self._metrics.counter
        gauge("spillway_web_processes", "Web processes that live", lambda: self.shared().processes)
        gauge("spillway_rooms", "Rooms that this process owns", lambda: self.shared().rooms)
        counter("spillway_rooms_taken_over", "Rooms of others that had work left", lambda: self.shared().taken_over)
        counter("spillway_backplane_gaps", "Times that words of another process were lost", lambda: self.shared().gaps)

    def _export_queue(self) -> None:
        gauge, routing = self._metrics.gauge, self._routing
        gauge(
            "spillway_queue_connected",
            "Whether the broker takes jobs",
            lambda: routing.queued is not None and routing.queued.ready(),
        )
        gauge("spillway_workers", "Workers heard lately", lambda: len(self._workers()))
        gauge(
            "spillway_worker_jobs_running",
            "Jobs running in workers",
            lambda: sum(len(each.running) for each in self._workers()),
        )
        self._metrics.counter(
            "spillway_queue_reconnects",
            "Times the broker came back",
            lambda: routing.queued.reconnects if routing.queued is not None else 0,
        )


def _waits(job: Job) -> bool:
    return job.state == "accepted" and not job.delayed


def _since(job: Job) -> float:
    return round(max(time.time() - (job.started or job.at), 0.0), 1)


def _described(process: OfProcess) -> dict[str, Any]:
    names = ("id", "address", "draining", "clients", "hub_lag_ms", "backlog", "jobs")
    return {"running": process.running, **{name: getattr(process, name) for name in names}}
