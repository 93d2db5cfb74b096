"""Putting the web process together: create_app(settings) and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from flask import Flask
from flask_socketio import SocketIO
from socketio.exceptions import ConnectionRefusedError

import ml_clients
from app import several
from app import tasks as declared
from app.auth.admission import Admission
from app.auth.tokens import tokens_from
from app.callbacks.callbacks import Callbacks
from app.chat.choices import Choices
from app.chat.desk import Desk
from app.chat.events import Events
from app.chat.expiry import Expiry
from app.chat.intake import Intake
from app.chat.loading import Loading
from app.chat.packets import SafePacket, refuse_the_rest
from app.chat.rate import Rates
from app.chat.services import Services
from app.chat.waiting import Waiting
from app.concurrency import Concurrency
from app.controls.controls import Controls
from app.data_dir import make_private, secret_key
from app.due import Due
from app.effects import Effects
from app.flags.flags import Flags
from app.gauges import OLDEST_SECONDS, Gauges
from app.ids import process_name
from app.jobs import ledger
from app.jobs.announcer import Announcer
from app.jobs.begun import Begun
from app.jobs.consequences import UserCode
from app.jobs.held_back import HeldBack
from app.jobs.lifecycle import Lifecycle
from app.jobs.off_stream import OffStream
from app.jobs.pauses import Pauses
from app.links import Links
from app.loops import Loops
from app.metrics import Metrics
from app.outgoing import Outgoing
from app.ownership.others import Others
from app.paths.auto import Auto
from app.paths.background import Background
from app.paths.gate import Gate
from app.paths.here import Here
from app.paths.plain import Plain
from app.paths.routing import Routing
from app.payload import Refused
from app.pieces import LOOK_SECONDS as PIECES_LOOK_SECONDS
from app.process import WAIT_SECONDS, Server
from app.publisher import Publisher
from app.rooms import Rooms, packet
from app.settings import Settings
from app.store.store import Store
from app.transport.transport import Transport
from app.uploads import Uploads
from app.web import api, errors, guard, health, pages
from app.web.access import Access
from app.web.bodies import Bounded
from app.web.dead_letters import dead_letters
from app.web.documents import documents
from app.web.jobs import jobs as jobs_routes
from app.web.lanes import lanes
from app.web.live import live
from app.web.proxies import Proxied
from app.web.rates import Rated
from app.web.rooms import rooms as rooms_routes
from app.web.uploads import uploads as upload_routes
from ml_clients import llm

log = structlog.get_logger()

MAX_EVENT_BYTES = 256 * 1024  # a text of 8,192 code points takes at most 96 KiB in JSON; the rest is room for arguments
SPARE_SESSIONS = 256  # beyond MAX_CLIENTS, for those who are told that there is no room
PING_SECONDS = (20, 20)  # between two pings, and for the answer: half-open connections are gone after both


def create_app(settings: Settings, concurrency: Concurrency) -> Server:
    """The whole web process from its settings; raises StoreRefused, SettingInvalid or TaskDeclarationInvalid."""
    make_private(settings.data_dir)
    loop, loops = concurrency.loop, Loops(concurrency.loop)
    tasks = declared.with_delays(declared.discover(), settings.by_name)
    ml_clients.configure(settings.ml_url, concurrency.wait_readable, concurrency.pause)
    llm.configure(settings.llm_url, settings.llm_model, settings.llm_key, settings.llm_context)
    name = process_name()
    store = Store(settings.database, concurrency, Effects, loops, name)
    flask, sockets, transport = _flask(settings, concurrency)
    metrics, rooms, waiting, due, user_code = Metrics(), Rooms(), Waiting(), Due(loop, loops), UserCode(concurrency)
    links = Links(secret_key(settings), settings.url)
    uploads = Uploads(store, concurrency, settings.uploads, links, settings.max_upload_bytes, settings.upload_rate)
    flags, controls = Flags(store, settings, tasks), Controls(store, tasks, ledger.stood_still)
    links_of = uploads.links.of if settings.ledger else uploads.links_of_unkept
    here = Here(tasks, links_of, concurrency.deadline, concurrency.post)
    begun = _begun(settings)
    runner = _runner(settings, concurrency, sockets, here, begun)
    queue = _queue(
        settings, concurrency, tasks, uploads, lambda: life, lambda: pauses, lambda: publisher, lambda: services,
        lambda: others, loops,
    )  # fmt: skip
    routing = Routing(
        flags.ask, runner, Auto(runner), settings.max_backlog, queue, partial(Gate, loop, tasks, controls.is_paused)
    )
    publisher = Publisher(transport, rooms, routing.submit, {name for name, task in tasks.items() if task.draft})
    store.writer.publish = publisher.apply
    announcer = Announcer(loop, publisher.show_jobs, store.writer.when_committed)
    loading = Loading(store, rooms)
    life = Lifecycle(
        store, rooms, tasks, routing, metrics, loop, user_code, announcer, due, links.to, uploads.size, loading.room,
        loading.history, settings.ledger, controls,
    )  # fmt: skip
    life.begun, runner.settle, here.wrote, here.progressed = begun, life.settle, life.texts.wrote, life.progressed
    if isinstance(runner, Background):
        runner.begin = life.start
    outgoing, expiry = Outgoing(concurrency), Expiry(loop)
    tokens = tokens_from(settings, outgoing)
    callbacks = Callbacks(settings, store, loop, due, outgoing, routing.call_back, metrics.called_back)
    life.call_back = callbacks.expect
    life.is_answered = partial(loading.is_answered, by_anybody=settings.auth == "open")
    intake = Intake(rooms, loading, tasks, life, user_code, waiting, uploads, callbacks.check, settings)
    events = Events(
        store, rooms, loading, life, intake, waiting, publisher.apply, transport.broadcast, uploads, loop, tokens, expiry,
        Choices(store, tasks, publisher.apply),
    )  # fmt: skip
    rates = Rates(settings.rate_limit)
    full, admission = partial(_is_full, transport, settings), Admission(tokens)
    desk = Desk(events, store, rates, metrics, publisher.apply, full, loop, admission, expiry)

    def learn(auth: Any) -> None:
        concurrency.await_(admission.learn(auth), WAIT_SECONDS)

    _connect(transport, desk, learn if settings.auth_keys else None)
    services = Services(intake, rooms, loading, life, store, rates, loop)
    held_back = HeldBack(life, controls)
    pauses, off_stream = Pauses(life, controls, held_back), OffStream(life, held_back, controls.is_paused)
    others = several.join(
        name, settings, concurrency, transport, store, rooms, life, events, desk, publisher, services, callbacks, loading, routing,
        loops, held_back.take_up,
    )  # fmt: skip
    gauges = Gauges(runner, routing, metrics, transport, store, life.jobs, controls.all_paused)
    server = Server(
        flask, transport, store, life, runner, routing, flags, events, intake, services, callbacks, waiting, metrics, loops,
        loading, settings, concurrency, tokens, gauges, uploads,
        others, name, controls, pauses, off_stream,
    )  # fmt: skip
    flags.changed = partial(_flag_changed, server)
    loops.tick(PIECES_LOOK_SECONDS, "slow readers", publisher.pieces.look)
    _watch(server, rates)
    _routes(server)
    return server


def _watch(server: Server, rates: Rates) -> None:
    """Have figures taken of the process, and shown with those of the others."""
    server.loops.on_failure = server.metrics.loop_failed
    server.loops.every(OLDEST_SECONDS, "oldest waiting", server.gauges.look)
    server.store.writer.timed = server.metrics.committed
    server.gauges.export()
    if server.others is not None:
        server.others.spending.share("events", rates.addresses, rates.of_address)
        several.show_all(server.others, server.metrics.live, server.gauges, server.settings.url)


def _flask(settings: Settings, concurrency: Concurrency) -> tuple[Flask, SocketIO, Transport]:
    flask = Flask("app")
    flask.config["SECRET_KEY"] = secret_key(settings)
    flask.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    transport = Transport(
        concurrency,
        serializer=SafePacket,
        max_http_buffer_size=MAX_EVENT_BYTES,
        cors_allowed_origins=lambda origin, environ: guard.may_connect(settings, origin, environ.get("HTTP_HOST", "")),
        ping_interval=PING_SECONDS[0],
        ping_timeout=PING_SECONDS[1],
        max_sessions=settings.max_clients + SPARE_SESSIONS,
        pending_per_address=settings.pending_per_address,
    )
    sockets = SocketIO(flask, async_mode=concurrency.name, manage_session=False)
    transport.plug_into(sockets)
    # Pooled green threads, or pooled real ones: starting a new one for each job costs two or three times as much.
    sockets.start_background_task = concurrency.start
    return flask, sockets, transport


def _begun(settings: Settings) -> Begun:
    """Without a file where others may take over our rooms: they could not see it."""
    if settings.is_shared or not settings.ledger:
        return Begun()
    return Begun(Path(f"{settings.database_file}.begun"), settings.max_inflight)


def _runner(
    settings: Settings, concurrency: Concurrency, sockets: SocketIO, here: Here, begun: Begun
) -> Background | Plain:
    if not settings.ledger:
        return Plain(sockets.start_background_task, concurrency.post, here.run)
    runner = Background(sockets.start_background_task, concurrency.post, here.run, settings.max_inflight, begun.note)
    runner.stop = here.stop
    return runner


def _queue(
    settings: Settings,
    concurrency: Concurrency,
    tasks: Any,
    uploads: Uploads,
    life: Callable[[], Lifecycle],
    pauses: Callable[[], Pauses],
    publisher: Callable[[], Publisher],
    services: Callable[[], Services],
    others: Callable[[], Others | None],
    loops: Loops,
) -> Callable[[], Any] | None:
    """What makes the runner of the queued path, or None where there is no queue."""
    if not (settings.nats_url and settings.ledger):
        return None

    def make() -> Any:
        # Here and not at the top: while every flag says simple, nats is never imported.
        from app.paths.jetstream import open_queue

        runner = open_queue(settings, concurrency, tasks, uploads.links.of, life(), loops)
        runner.stranded.strand, runner.came = pauses().held_back.strand, pauses().came
        publisher().acknowledge = runner.acknowledge
        runner.ask = services().answer if settings.nats_intake else None
        there = others()
        if there is not None:
            runner.inbox.process, runner.inbox.forward = there.processes.me, there.hand_over
        return runner

    return make


def _is_full(transport: Transport, settings: Settings) -> bool:
    return transport.sessions > settings.max_clients


def _connect(transport: Transport, desk: Desk, learn: Callable[[Any], None] | None) -> None:
    """Have the transport bring clients and events to the desk; `learn` looks for a key that is not known yet."""

    def connect(connection: Any, _: dict[str, Any], auth: Any) -> None:
        try:
            desk.connect(connection, connection.address, auth)
        except Refused as refused:
            log.info("connection refused", code=refused.code, field=refused.field, why=refused.message)
            raise ConnectionRefusedError(refused.message, refused.as_error()) from None

    if learn is not None:
        transport.before_connect = learn
    transport.on_connect, transport.on_disconnect, transport.on_event = connect, desk.disconnect, desk.take
    refuse_the_rest(transport.server, desk.why_not)


def _flag_changed(server: Server, flag: dict[str, Any]) -> None:
    server.transport.broadcast(list(server.transport.connections.values()), packet("flag:changed", flag))
    server.metrics.live.flag_changed(flag)
    if flag["path"] != "simple":
        server.routing.open_queue()  # so that the first queued job need not wait for a connection


def _routes(server: Server) -> None:
    settings, flask, life = server.settings, server.flask, server.life

    def wait(coroutine: Any) -> Any:
        return server.concurrency.await_(coroutine, WAIT_SECONDS)

    access = Access(server.tokens, wait)
    guard.register(flask, settings)
    # The outermost first: Socket.IO is a layer below these, and Flask below that.
    bounded = Bounded(flask.wsgi_app, settings.max_upload_bytes, MAX_EVENT_BYTES)
    rated = Rated(guard.OurHost(bounded, settings), settings.rate_limit)
    if server.others is not None:
        server.others.spending.share("requests", rated.addresses, rated.rate)
    flask.wsgi_app = Proxied(rated, settings.trust_proxy)  # type: ignore[method-assign]  # as Flask's documentation has it
    errors.register(flask)
    for blueprint in (
        pages.pages(settings),
        documents(server.events.kinds(), life.tasks, settings.auth == "token"),
        health.health(server.metrics, lambda: _missing(server), settings.metrics_token),
        api.api(
            settings,
            server.store,
            server.flags,
            server.gauges.figures,
            server.holds.newest,
            access,
            wait,
        ),
        jobs_routes(
            server.store, life.look_up, {task.name for task in life.tasks.values() if task.draft}, access, wait
        ),
        lanes(server.controls, server.settings, life.tasks, access, wait),
        live(
            server.metrics.live,
            life.tasks,
            server.flags,
            access,
            lambda task, minutes: wait(several.last_hour(server.others, task, minutes)),
        ),
        dead_letters(server.store, server.services, server.callbacks, access, wait),
        upload_routes(server.uploads, access, wait),
        rooms_routes(server.services, access, wait),
    ):
        flask.register_blueprint(blueprint)


def _missing(server: Server) -> list[str]:
    """What the process needs and does not have: the database, loops that cannot run, and a queue where a flag asks for it.

    Where there can be no queue all jobs take simple, and none is needed.
    """
    if server.intake.draining:
        return ["draining"]
    missing = [f"database:{what}" for what in server.store.troubles()]
    missing += [f"loop:{name}" for name in server.loops.cannot_run()]
    wants_queue = server.settings.nats_intake or server.flags.wants_queue()
    if server.settings.nats_url and server.settings.ledger and wants_queue:
        queued = server.routing.queued
        if queued is None or not queued.ready():
            missing.append("queue")
    return [*missing, *(server.others.lacks() if server.others is not None else [])]
