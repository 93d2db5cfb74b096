"""Where several web processes may share a database: this one put among them, and what is shown is that of all."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from app.backplane.backplane import Backplane
from app.backplane.outside import SOCKETIO
from app.callbacks.callbacks import Callbacks
from app.chat.desk import Desk
from app.chat.events import Events
from app.chat.loading import Loading
from app.chat.services import Services
from app.concurrency import Concurrency
from app.gauges import Gauges, OfProcess, Shared
from app.jobs.lifecycle import Lifecycle
from app.jobs.resume import resume
from app.live.record import Extract, Record
from app.loops import Loops
from app.ownership.others import Others
from app.ownership.processes import Processes
from app.paths.routing import Routing
from app.paths.shares import Shares
from app.publisher import Publisher
from app.rooms import Rooms
from app.settings import Settings
from app.store.store import Store
from app.transport.transport import Transport

log = structlog.get_logger()

_encode = msgspec.msgpack.Encoder().encode
_read_extract, _read_process = msgspec.msgpack.Decoder(Extract).decode, msgspec.msgpack.Decoder(OfProcess).decode


def join(
    name: str,
    settings: Settings,
    concurrency: Concurrency,
    transport: Transport,
    store: Store,
    rooms: Rooms,
    life: Lifecycle,
    events: Events,
    desk: Desk,
    publisher: Publisher,
    services: Services,
    callbacks: Callbacks,
    loading: Loading,
    routing: Routing,
    loops: Loops,
    taken_up: Callable[[], None],  # called when this process has rooms that were another's
) -> Others | None:
    """This process among the others; None where there can be none: SQLite has one, and without NATS they hear nothing."""
    if not (store.shared and settings.nats_url and settings.ledger):
        return None
    # Here and not at the top: while there can be no others, nats is never imported.
    from app.queue.bus import Bus

    processes = Processes(store, name, settings.url, concurrency.loop)
    backplane = Backplane(Bus(settings, log.info, concurrency.tls()), processes.me, concurrency.loop)

    async def take_up(names: list[str]) -> None:
        await resume(life, loading.nothing, names)
        taken_up()
        callbacks.expect()  # what the last owner of these rooms left

    others = Others(
        backplane, processes, store, rooms, concurrency.loop, loops, take_up, life.lose, desk.receive,
        transport.broadcast, events.tell_members, life.link,
    )  # fmt: skip
    events.others = services.others = desk.others = others
    loading.owned = others.owners.room
    _show(others, publisher)
    life.owner = callbacks.owner = processes.me
    life.call_owner = others.call
    Shares(store, processes.me, routing.gate, concurrency.loop).begin(loops)
    _hear(backplane, callbacks, routing, transport)
    _serve(others, life, services)
    return others


def _serve(others: Others, life: Lifecycle, services: Services) -> None:
    """What others ask about our rooms."""
    others.visits.serve("settle", life.serve_settle)
    others.visits.serve("message", services.serve_message)
    others.visits.serve("job", services.serve_job)
    others.visits.serve("cancel", services.serve_cancel)
    others.visits.serve("replay", services.serve_replay)


def _show(others: Others, publisher: Publisher) -> None:
    """What rooms of ours are shown goes to the others, and what theirs are shown comes here."""
    publisher.relay, others.mirrors.show = others.mirrors.tell, publisher.show_relayed


def _hear(backplane: Backplane, callbacks: Callbacks, routing: Routing, transport: Transport) -> None:
    transport.spread(lambda message: backplane.tell(SOCKETIO, message))
    backplane.handle(SOCKETIO, lambda sender, message: transport.take(message))
    callbacks.replayed = lambda: backplane.tell("callbacks")
    backplane.handle("callbacks", lambda sender: callbacks.expect())
    backplane.handle("results", lambda sender, *delivery: routing.hand_over(*delivery))


def show_all(others: Others, record: Record, gauges: Gauges, address: str) -> None:
    """Have operators shown the figures of all web processes, whichever they ask; this one is reached at the address."""
    survey = others.survey

    async def elsewhere() -> list[OfProcess]:
        return [_read_process(each) for each in (await survey.ask("figures")).values()]

    survey.answer("live", lambda task, minutes: _encode(record.extract(task, minutes)))
    survey.answer("figures", lambda: _encode(gauges.own()))
    gauges.process = gauges.owner = others.processes.me
    gauges.address = address
    gauges.draining, gauges.others = lambda: others.processes.draining, elsewhere
    gauges.shared = lambda: Shared(
        len(others.processes.known), others.owned(), others.owners.taken_over, others.backplane.gaps
    )


async def last_hour(others: Others | None, task: str, minutes: int) -> list[Extract]:
    """The last hour as the other web processes noted it."""
    if others is None:
        return []
    return [_read_extract(each) for each in (await others.survey.ask("live", task, minutes)).values()]
