"""Putting the web process together: create_app(settings) and what it gives back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from flask import Flask
from flask_socketio import SocketIO

import ml_clients
from app import tasks as declared
from app.chat.audience import Audience
from app.chat.events import Events
from app.chat.people import People
from app.chat.rate import Rates
from app.chat.sockets import SafePacket, Sockets
from app.chat.waiting import REMEMBERED, Waiting
from app.concurrency import Concurrency
from app.dispatch.background import Background
from app.dispatch.dispatch import Dispatch, Path
from app.dispatch.plain import GIVES_UP, PlainDispatch
from app.flags.flags import Flags
from app.jobs import dead_letters as letters
from app.live.watch import watch
from app.messages import newest_by_people
from app.metrics import Metrics
from app.settings import Settings, secret_key
from app.store.retention import keep_removing
from app.store.store import Store
from app.transport.transport import Transport
from app.uploads import Uploads
from app.web import api, errors, guard, health, pages
from app.web.dead_letters import dead_letters
from app.web.live import live
from app.web.uploads import uploads as upload_routes

log = structlog.get_logger()

MAX_EVENT_BYTES = 256 * 1024  # a text of 8,192 code points takes at most 96 KiB in JSON; the rest is room for arguments
HARD_EXIT = 10  # seconds beyond the drain after which the process is ended by the kernel
PING_SECONDS = (20, 20)  # between two pings, and for the answer: half-open connections are gone after both


@dataclass
class Server:
    """A web process, ready to serve."""

    flask: Flask
    sockets: SocketIO
    transport: Transport
    store: Store
    dispatch: Dispatch
    flags: Flags
    audience: Audience
    settings: Settings
    concurrency: Concurrency
    keep_record: Callable[[], None]

    def start(self) -> None:
        """Take up what the last process left, then watch flags, deadlines and the hub."""
        if not self.settings.ledger:
            log.warning(GIVES_UP)
        self.dispatch.recover()
        if self.settings.nats_url and self.settings.ledger and self.flags.wants_queue():
            self.dispatch.open_queue()
        for again_and_again in (
            self.flags.watch,
            self.dispatch.sweep,
            self.keep_record,
        ):
            threading.Thread(target=again_and_again, daemon=True).start()
        if self.settings.retention_days:
            folder = self.settings.data_dir / "uploads"
            remove = partial(keep_removing, self.store, self.settings.retention_days, folder)
            threading.Thread(target=remove, daemon=True).start()
        self.concurrency.lag(self._lagged)

    def drain(self) -> None:
        """Stop gracefully: refuse new work, tell clients, let jobs finish, cut the connections, close the store."""
        seconds = self.settings.drain_seconds
        signal.alarm(int(seconds) + HARD_EXIT)  # armed first: whatever hangs below, the process ends
        self.dispatch.draining = True  # first of all, so that nothing new is promised
        self.audience.draining(seconds)
        self.dispatch.close(seconds)
        # Engine.IO's close looks like a lost connection to clients, who come back by themselves; one that is told
        # `disconnect` does not (findings.md).
        self.transport.drain()
        self.store.close()

    def _lagged(self, seconds: float, culprit: str | None) -> None:
        self.dispatch.metrics.lagged(seconds)
        if culprit:
            log.warning("the hub was held up", seconds=round(seconds, 3), by=culprit)


def create_app(settings: Settings, concurrency: Concurrency) -> Server:
    """The whole web process from its settings; raises StoreRefused or TaskDeclarationInvalid in one sentence."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    tasks = declared.discover()
    ml_clients.configure(settings.ml_url)
    store = Store(settings.database, concurrency)
    flask, sockets, transport = _flask(settings, concurrency)
    metrics, people, waiting = Metrics(), People(), _waiting(store)
    uploads = Uploads(store, concurrency, settings.data_dir / "uploads", secret_key(settings), settings.url)
    audience = Audience(sockets.server, uploads.link)
    flags = Flags(store, settings, tasks, lambda flag: flag_changed(flag))
    dispatch = (Dispatch if settings.ledger else PlainDispatch)(
        store,
        tasks,
        flags.ask,
        audience.show,
        metrics,
        settings.max_backlog,
        lambda d: Background(
            d,
            sockets.start_background_task,
            concurrency.deadline,
            uploads.links if settings.ledger else uploads.links_of_unkept,
            settings.max_inflight,
        ),
        _queued(settings, concurrency, uploads) if settings.nats_url and settings.ledger else None,
    )

    def flag_changed(flag: dict[str, Any]) -> None:
        audience.flag_changed(flag)
        metrics.live.flag_changed(flag)
        if flag["path"] != "simple":
            dispatch.open_queue()  # so that the first queued job need not wait for a connection

    events = Events(store, tasks, dispatch, people, audience, waiting)
    Sockets(sockets.server, events, people, audience, Rates(settings.rate_limit), metrics, settings.max_clients)
    readings = partial(_readings, dispatch, people, metrics)
    _export(metrics, readings)
    guard.register(flask, settings)
    errors.register(flask)
    for blueprint in (
        pages.pages(),
        health.health(metrics, lambda: _missing(flags, dispatch, settings)),
        api.api(settings, store, tasks, flags, partial(_figures, store, dispatch, readings)),
        live(metrics.live, tasks, flags),
        dead_letters(dispatch),
        upload_routes(uploads, settings.max_upload_bytes),
    ):
        flask.register_blueprint(blueprint)
    keep_record = partial(watch, metrics.live, readings, dispatch.under_way)
    return Server(flask, sockets, transport, store, dispatch, flags, audience, settings, concurrency, keep_record)


def _flask(settings: Settings, concurrency: Concurrency) -> tuple[Flask, SocketIO, Transport]:
    flask = Flask("app")
    flask.config["SECRET_KEY"] = secret_key(settings)
    flask.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    transport = Transport(
        concurrency,
        serializer=SafePacket,
        max_http_buffer_size=MAX_EVENT_BYTES,
        cors_allowed_origins=list(settings.cors_origins) or None,
        ping_interval=PING_SECONDS[0],
        ping_timeout=PING_SECONDS[1],
    )
    sockets = SocketIO(flask, async_mode=concurrency.name, manage_session=False)
    transport.plug_into(sockets)
    return flask, sockets, transport


def _queued(settings: Settings, concurrency: Concurrency, uploads: Uploads) -> Callable[[Dispatch], Path]:
    def make(dispatch: Dispatch) -> Path:
        # Here and not at the top: while every flag says simple, nats is never imported.
        from app.dispatch.jetstream import JetStream
        from app.queue.connection import Queue

        lanes = sorted({task.lane for task in dispatch.tasks.values()})
        return JetStream(dispatch, concurrency, Queue(settings, lanes, log.info, concurrency.tls()), uploads.links)

    return make


def _waiting(store: Store) -> Waiting:
    waiting = Waiting()
    for room, sender, at in store.read(lambda connection: newest_by_people(connection, REMEMBERED * 4)):
        waiting.wrote(room, sender, at)
    return waiting


def _missing(flags: Flags, dispatch: Dispatch, settings: Settings) -> list[str]:
    """What the flags need and is away; where there can be no queue all jobs take simple, and none is needed."""
    if dispatch.draining:
        return ["draining"]
    if not (settings.nats_url and settings.ledger and flags.wants_queue()):
        return []
    return [] if dispatch.queued is not None and dispatch.queued.ready() else ["queue"]


def _readings(dispatch: Dispatch, people: People, metrics: Metrics) -> dict[str, float | None]:
    """The gauges of this moment, by their names in `live.record.GAUGES`; None for those of a queue not in use."""
    messages, size = getattr(dispatch.queued, "depth", None) or (None, None)
    return {
        "running": dispatch.simple.running(),
        "backlog": dispatch.simple.waiting(),
        "outbox": dispatch.queued.waiting() if dispatch.queued is not None else None,
        "queue_messages": messages,
        "queue_bytes": size,
        "hub_lag_ms": round(metrics.late * 1000, 1),
        "clients": len(people),
    }


def _figures(store: Store, dispatch: Dispatch, readings: Callable[[], dict[str, float | None]]) -> dict[str, Any]:
    """The figures of this moment as GET /api/operator shows them."""
    now: dict[str, Any] = readings()
    queue = {
        "pending": now.pop("queue_messages") or 0,
        "bytes": now.pop("queue_bytes") or 0,
        "outbox": now.pop("outbox"),
    }
    return {
        **now,
        "dead_letters": store.read(letters.count),
        "queue": {"connected": dispatch.queued.ready(), **queue} if dispatch.queued is not None else None,
    }


def _export(metrics: Metrics, readings: Callable[[], dict[str, float | None]]) -> None:
    """Give Prometheus the same gauges; it reads 0 for those of a queue not in use."""
    for name, about, which in (
        ("spillway_jobs_running", "Jobs running on the simple path", "running"),
        ("spillway_jobs_backlog", "Jobs waiting on the simple path", "backlog"),
        ("spillway_outbox", "Attempts the broker has not confirmed", "outbox"),
        ("spillway_queue_messages", "Messages on the stream of jobs", "queue_messages"),
        ("spillway_queue_bytes", "Bytes on the stream of jobs", "queue_bytes"),
        ("spillway_clients", "Connected clients", "clients"),
    ):
        metrics.gauge(name, about, lambda which=which: readings()[which] or 0)  # type: ignore[misc]
    metrics.gauge("spillway_hub_lag_last_seconds", "How late the hub was last", lambda: metrics.late)
