"""The limits of tasks shared by several web processes: how many attempts each may have under way, and when they may start.

Each says how many it has and how many more it wants, as whole numbers and never as differences: so nothing leaks when one
dies, whose numbers do not count any more. PostgreSQL only: a SQLite file has one process.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import NamedTuple

from sqlalchemy import Connection, text

from app.loops import Loops
from app.paths.gate import Gate
from app.paths.pace import Pace
from app.store.errors import StoreUnavailable
from app.store.store import Store

LOOK_SECONDS = 0.1
AHEAD_SECONDS = 0.15  # starts are granted for so long: until the next look, and a little more
STALE_SECONDS = 0.25  # a start that was granted and not used by then is given up: they must not add up


class Want(NamedTuple):
    """What a process has under way of a task, and what it wants: so many more attempts, so many starts."""

    task: str
    limit: int | None
    rate: float | None
    inflight: int
    attempts: int
    starts: int


class Granted(NamedTuple):
    """Below how many attempts under way in all it may start another, and in how many seconds it may start one each."""

    share: int | None
    starts: list[float]


class Shares:
    """Asks for this process's part of each limit, and has the gate keep to it. On the loop."""

    def __init__(self, store: Store, me: str, gate: Gate, loop: AbstractEventLoop) -> None:
        self._store, self._me, self._gate, self._loop = store, me, gate, loop
        self._told: set[str] = set()  # tasks of which the database says that we have something
        self._looking = False
        self._looked = 0.0

    def begin(self, loops: Loops) -> None:
        """Nothing of these tasks starts from now on that was not granted."""
        for pace in self._gate.paces.values():
            pace.share, pace.starts = (None if pace.limit is None else 0), (None if pace.rate is None else [])
        if self._gate.paces:
            self._gate.wanted = self._look_soon
            loops.every(LOOK_SECONDS, "shares", self.look)

    async def look(self) -> None:
        """Say what is under way and wanted, and let start what is granted; raises StoreUnavailable."""
        if self._looking or not (wants := self._wants()):
            return
        self._looking, self._looked = True, self._loop.time()
        try:
            granted = await self._store.change(lambda connection: claim(connection, self._me, wants))
        finally:
            self._looking = False
        now = self._loop.time()
        for want in wants:
            pace, got = self._gate.paces[want.task], granted[want.task]
            pace.share = got.share
            if not (want.inflight or want.attempts):
                self._told.discard(want.task)  # the database says by now that we have nothing
            if pace.starts is not None:
                pace.starts += [now + seconds for seconds in got.starts]
            self._gate.open(want.task)

    def _wants(self) -> list[Want]:
        wants, now = [], self._loop.time()
        for task, pace in self._gate.paces.items():
            held = 0 if self._gate.is_paused(task) else self._gate.held(task)
            if not (held or len(pace) or task in self._told):
                continue
            wants.append(_want(task, pace, held, now))
            self._told.add(task)
        return wants

    def _look_soon(self) -> None:
        if not self._looking and self._loop.time() - self._looked > LOOK_SECONDS / 5:
            self._looked = self._loop.time()
            self._loop.create_task(self._look_now())

    async def _look_now(self) -> None:
        try:
            await self.look()
        except StoreUnavailable:
            return  # the next look is near


def _want(task: str, pace: Pace, held: int, now: float) -> Want:
    """What to ask for a task; until the answer no more may be under way than is told here."""
    if pace.limit is not None:
        pace.share = min(len(pace), pace.share or 0)
    starts = 0
    if pace.starts is not None:
        pace.starts = [at for at in pace.starts if at > now - STALE_SECONDS]
        starts = max(0, min(held, pace.may_begin()) - len(pace.starts))
    return Want(task, pace.limit, pace.rate, len(pace), held, starts)


def claim(connection: Connection, me: str, wants: list[Want]) -> dict[str, Granted]:
    """What a process is granted of each; one process after the other for each task."""
    granted = {}
    for want in sorted(wants):  # in one order, so that no two wait for each other
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:task, 7))"), {"task": want.task})
        share = None if want.limit is None else _share(connection, me, want, want.limit)
        starts = [] if want.rate is None or not want.starts else _starts(connection, want, want.rate)
        granted[want.task] = Granted(share, starts)
    return granted


def _share(connection: Connection, me: str, want: Want, limit: int) -> int:
    others, wanting = connection.execute(
        text(
            "SELECT coalesce(sum(inflight), 0), count(*) FILTER (WHERE wanted > 0) FROM shares "
            "WHERE task = :task AND process <> :me AND process IN (SELECT id FROM processes)"
        ),
        {"task": want.task, "me": me},
    ).one()
    share = min(want.inflight + want.attempts, max(0, limit - int(others)), _fair(want, limit, int(wanting)))
    kept = max(want.inflight, share)  # what is under way already counts, also where it is more than is fair by now
    connection.execute(
        text(
            "INSERT INTO shares (task, process, inflight, wanted) VALUES (:task, :me, :kept, :wanted) "
            "ON CONFLICT (task, process) DO UPDATE SET inflight = :kept, wanted = :wanted"
        ),
        {"task": want.task, "me": me, "kept": kept, "wanted": want.inflight + want.attempts - kept},
    )
    return share


def _fair(want: Want, limit: int, wanting: int) -> int:
    """How many are fair for one of these and the others who want some; where there are fewer than those, they take turns."""
    if limit > wanting:
        return limit // (wanting + 1)
    return 0 if want.inflight else 1


def _starts(connection: Connection, want: Want, rate: float) -> list[float]:
    row = {"task": want.task}
    connection.execute(text("INSERT INTO starts (task, due) VALUES (:task, 0) ON CONFLICT DO NOTHING"), row)
    due, now = connection.execute(
        text("SELECT due, extract(epoch FROM clock_timestamp())::float8 FROM starts WHERE task = :task"), row
    ).one()
    due, starts = max(due, now), list[float]()
    while due < now + AHEAD_SECONDS and len(starts) < want.starts:
        starts.append(due - now)
        due += 1 / rate
    if starts:
        connection.execute(text("UPDATE starts SET due = :due WHERE task = :task"), {**row, "due": due})
    return starts
