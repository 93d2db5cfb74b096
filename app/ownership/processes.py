"""This process among the others: it says that it lives, and notices who does not.

Whether another lives is not read from clocks, which differ between hosts and stop in debuggers: it counts its beats in the
database, and who has looked without interruption and seen no new one for a while may bury it. Where the database was
away nobody has looked, so that owners keep what they have.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

import structlog

from app.ownership import claims
from app.ownership.claims import Seen
from app.store.errors import StoreRefused, StoreUnavailable
from app.store.store import Store

log = structlog.get_logger()

LOOK_SECONDS = 0.4
LEASE_SECONDS = 3.5  # without a beat, after which a process is dead
GONE_SECONDS = 1.0  # the same for one that has no session on the server any more: its kernel has closed them


WITHOUT_NATS = "several may share one only if each has NATS_URL, by which they hear each other"


class Processes:
    """All web processes on this database. On the loop."""

    def __init__(self, store: Store, me: str, address: str, loop: AbstractEventLoop) -> None:
        """`address` is where people and commands reach this process; empty when it hears no others."""
        self._store, self.me, self._address, self._loop = store, me, address, loop
        self._since = 0.0
        self._seen: dict[str, tuple[float, float]] = {}  # beats, and when on our clock the last one was seen
        self.known: dict[str, Seen] = {}
        self.draining = False
        self.on_death: Callable[[str], None] = lambda process: None
        self.on_arrival: Callable[[str], None] = lambda process: None
        self.on_burial: Callable[[], Any] = lambda: None  # others took this very process for dead

    async def register(self) -> None:
        """Be one of them from now on; raises StoreUnavailable."""
        self._since = since = time.time()
        await self._store.change(lambda connection: claims.register(connection, self.me, self._address, since))
        self._store.writer.fence = (self.me, since)
        await self._beat()

    async def refuse_unheard(self) -> None:
        """Raise StoreRefused when there is a process that cannot hear us, or that we cannot hear, for want of NATS_URL.

        One that was killed just now is waited for until it counts as dead.
        """
        first: dict[str, float] = {}
        while unheard := [
            each for each in self.known.values() if each.id != self.me and not (self._address and each.address)
        ]:
            for each in unheard:
                if first.setdefault(each.id, each.beats) != each.beats:
                    raise StoreRefused(f"another web process uses the database: {WITHOUT_NATS}")
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    def lives(self, process: str) -> bool:
        """Whether this process is one of them."""
        return process in self.known

    @property
    def others(self) -> list[str]:
        """All but this one."""
        return [id for id in self.known if id != self.me]

    async def look(self) -> None:
        """Beat, and bury who does not; to be called every LOOK_SECONDS. Raises StoreUnavailable."""
        try:
            await self._beat()
        except StoreUnavailable:
            self._seen.clear()  # nobody can be blamed for a silence in which we did not listen
            raise
        now = self._loop.time()
        for process in list(self.known.values()):
            silent = now - self._seen[process.id][1]
            if process.id != self.me and silent > (LEASE_SECONDS if process.has_session else GONE_SECONDS):
                log.warning("a web process is dead", process=process.id, silent=round(silent, 2))
                await self._store.change(lambda c, dead=process: claims.bury(c, dead.id, dead.beats))  # type: ignore[misc]

    async def leave(self) -> None:
        """This process ends: what is left of its rooms is for others."""
        await self._store.change(lambda connection: claims.leave(connection, self.me))

    async def _beat(self) -> None:
        registered, found = await self._store.change(
            lambda connection: claims.beat(connection, self.me, self._since, self.draining)
        )
        now, before = self._loop.time(), self.known
        self.known = {process.id: process for process in found}
        self._seen = {id: self._since_when(process, now) for id, process in self.known.items()}
        for id in self.known.keys() - before.keys() - {self.me}:
            self.on_arrival(id)
        for id in before.keys() - self.known.keys() - {self.me}:
            self.on_death(id)
        if not registered:
            log.error("this process was taken for dead: it goes on without its rooms")
            await self.on_burial()

    def _since_when(self, process: Seen, now: float) -> tuple[float, float]:
        known = self._seen.get(process.id)
        return known if known is not None and known[0] == process.beats else (process.beats, now)
