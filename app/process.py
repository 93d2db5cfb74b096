"""A web process: every part of it, how it begins to serve and how it ends. app/server.py makes the parts."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from flask import Flask

from app.auth.tokens import Tokens
from app.callbacks.callbacks import Callbacks
from app.chat import reading
from app.chat.events import Events
from app.chat.intake import Intake
from app.chat.loading import Loading
from app.chat.services import Services
from app.chat.waiting import REMEMBERED, Waiting
from app.concurrency import Concurrency
from app.controls.controls import Controls
from app.flags.flags import READ_SECONDS, Flags
from app.gauges import Gauges
from app.jobs import ledger
from app.jobs.lifecycle import Lifecycle
from app.jobs.limits import LOOK_SECONDS as LIMITS_SECONDS
from app.jobs.limits import forget_ended
from app.jobs.off_stream import LOOK_SECONDS as OFF_STREAM_SECONDS
from app.jobs.off_stream import OffStream
from app.jobs.pauses import Pauses
from app.jobs.resume import resume
from app.jobs.transitions import Requeue
from app.live.held import Holds
from app.live.watch import SAMPLE_SECONDS, sample
from app.loops import Loops
from app.metrics import Metrics
from app.ownership.others import Others
from app.ownership.processes import LOOK_SECONDS as PROCESSES_SECONDS
from app.ownership.processes import Processes
from app.paths.background import Background
from app.paths.plain import LEDGER_OFF_WARNING, Plain
from app.paths.routing import Routing
from app.retention import LOOK_SECONDS, UNUSED_LOOK_SECONDS, remove_old, remove_unused
from app.rooms import packet
from app.settings import Settings
from app.store.store import Store
from app.transport.transport import Transport
from app.uploads import Uploads
from app.where import Step

log = structlog.get_logger()

WAIT_SECONDS = 30.0  # how long a request waits for what is done on the loop
HARD_EXIT_SECONDS = 10  # beyond the drain, after which the process is ended by the kernel


@dataclass
class Server:
    """A web process, ready to serve."""

    flask: Flask
    transport: Transport
    store: Store
    life: Lifecycle
    runner: Background | Plain
    routing: Routing
    flags: Flags
    events: Events
    intake: Intake
    services: Services
    callbacks: Callbacks
    waiting: Waiting
    metrics: Metrics
    loops: Loops
    loading: Loading
    settings: Settings
    concurrency: Concurrency
    tokens: Tokens | None
    gauges: Gauges
    uploads: Uploads
    others: Others | None
    name: str
    controls: Controls
    pauses: Pauses
    off_stream: OffStream
    leave: Callable[[], Awaitable[None]] | None = None  # tells the database that this process ends
    holds: Holds = field(default_factory=Holds)

    def start(self) -> None:
        """Take up what the last process left, then look after flags, deadlines and the hub.

        Raises StoreUnavailable, or KeysInvalid.
        """
        if not self.settings.ledger:
            log.warning(LEDGER_OFF_WARNING)
        self.concurrency.await_(self._take_up(), WAIT_SECONDS)
        self.concurrency.lag(self._lagged)

    async def _take_up(self) -> None:
        if self.tokens is not None:
            await self.tokens.keys.load()
        await self.flags.load()
        await self.controls.load()
        for room, sender, at in await self.store.read(lambda c: reading.newest_by_people(c, REMEMBERED * 4)):
            self.waiting.wrote(room, sender, at)
        if self.others is not None:
            await self.others.start()
        elif self.store.shared:
            await self._be_alone()
        if self.others is None and self.settings.ledger:
            await resume(self.life, self.loading.all_of)
        if self.settings.ledger:
            if self.settings.nats_url and (
                self.flags.wants_queue() or self.settings.nats_intake or await self.store.read(ledger.is_any_at_broker)
            ):
                self.routing.open_queue()
            self.callbacks.expect()  # what the last process left
        self.life.begin(self.loops)
        self.loops.every(READ_SECONDS, "flags", self.flags.look)
        self.loops.every(READ_SECONDS, "controls", self.controls.look)
        if self.settings.ledger:
            self.pauses.begin()
            self.loops.every(OFF_STREAM_SECONDS, "runs off the stream", self.off_stream.look)
            self.loops.every(LIMITS_SECONDS, "limits", partial(forget_ended, self.life))
        self.loops.every(
            SAMPLE_SECONDS, "record", partial(sample, self.metrics.live, self.gauges.now, self.life.under_way)
        )
        days, discard = self.settings.retention_days, self.uploads.discard
        self.loops.every(UNUSED_LOOK_SECONDS, "unused images", partial(remove_unused, self.store, discard))
        if days:
            self.loops.every(LOOK_SECONDS, "retention", partial(remove_old, self.store, days, discard))

    async def _be_alone(self) -> None:
        """On a database that several could share, be the only one; raises StoreRefused when there is another."""
        processes = Processes(self.store, self.name, "", self.concurrency.loop)
        await processes.register()
        await processes.refuse_unheard()
        self.loops.every(PROCESSES_SECONDS, "processes", processes.look)
        self.leave = processes.leave

    def drain(self) -> None:
        """Stop gracefully: refuse new work, tell clients, let jobs finish, cut the connections, close the store."""
        seconds = self.settings.drain_seconds
        signal.alarm(int(seconds) + HARD_EXIT_SECONDS)  # armed first: whatever hangs below, the process ends
        self.concurrency.await_(self._tell_clients(seconds), HARD_EXIT_SECONDS)
        # Engine.IO's close looks like a lost connection to clients, who come back by themselves; one that is told
        # `disconnect` does not. Where others serve them they are not kept waiting for our jobs.
        elsewhere = self.others is not None and self.others.are_there
        if elsewhere:
            self.transport.drain()
        self.concurrency.await_(self._let_jobs_finish(seconds), seconds + HARD_EXIT_SECONDS)
        if not elsewhere:
            self.transport.drain()
        self.concurrency.await_(self._leave(), HARD_EXIT_SECONDS)

    async def _leave(self) -> None:
        if self.others is not None:
            await self.others.leave()
        elif self.leave is not None:
            await self.leave()
        await self.store.close()

    async def _tell_clients(self, seconds: float) -> None:
        self.intake.draining = True  # first of all, so that nothing new is promised
        self.transport.broadcast(
            list(self.transport.connections.values()), packet("server:draining", {"seconds": seconds})
        )
        if self.others is not None:
            await self.others.hand_over_rooms()

    async def _let_jobs_finish(self, seconds: float) -> None:
        self.routing.gate.close()
        for job in await self.runner.close(seconds):
            self.store.add(Requeue(self.life, job))
        if self.routing.queued is not None:
            await self.routing.queued.close(seconds)
        self.loops.stop()
        self.life.delays.stop()
        self.callbacks.stop()
        await self.store.settled()

    def _lagged(self, seconds: float, stacks: list[list[Step]]) -> None:
        self.metrics.lagged(seconds)
        if stacks:
            self.holds.note(seconds, stacks)
