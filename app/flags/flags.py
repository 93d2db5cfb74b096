"""The flags as they stand: kept in the database, read again twice a second, changed by operators."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, delete, select

from app.flags.provider import ask_with
from app.flags.rollout import ALL, Flag, in_force
from app.payload import Refused, read
from app.settings import Settings
from app.store.portable import upsert
from app.store.schema import flags
from app.store.store import Store

READ_SECONDS = 0.5  # between two looks for what another process changed
Shown = Callable[[dict[str, Any]], None]


class Flags:
    """What path each task takes, for whom."""

    def __init__(self, store: Store, settings: Settings, tasks: Iterable[str]) -> None:
        self._store, self._settings, self._tasks = store, settings, list(tasks)
        self.changed: Shown = lambda flag: None
        self._rules: dict[str, Flag] = {}
        self._changes = 0  # made by this process
        self.ask = ask_with(lambda: self._rules, settings.default_path)

    def all(self) -> list[dict[str, Any]]:
        """What is in force: `*` first, then each task; `source` says whose flag it is."""
        return [self._row(name) for name in [ALL, *self._tasks]]

    async def taken_by(self, room: str) -> dict[str, str]:
        """The path that this room takes, by task: simple, queued or auto."""
        return {task: self.ask(task, room) for task in self._tasks}

    async def put(self, task: str, body: Any) -> dict[str, Any]:
        """Set a flag; raises Refused (bad_request, not_found, conflict)."""
        flag = read(body, Flag)
        self._check_task(task)
        if flag.path != "simple" and not self._settings.nats_url:
            raise Refused("conflict", f"path {flag.path} needs a queue, and none is configured: set NATS_URL", "path")
        if flag.path != "simple" and not self._settings.ledger:
            raise Refused("conflict", f"path {flag.path} needs the ledger, and LEDGER is off", "path")
        row = {"task": task, "path": flag.path, "percent": flag.percent}
        return await self._write(task, lambda connection: upsert(connection, flags, row))

    async def unset(self, task: str) -> dict[str, Any]:
        """Remove a task's own flag, so that `*` or the default holds again."""
        self._check_task(task)
        return await self._write(task, lambda c: c.execute(delete(flags).where(flags.c.task == task)))

    def wants_queue(self) -> bool:
        """Whether any flag may send a job to the queue."""
        return any(row["path"] != "simple" for row in self.all())

    async def load(self) -> None:
        """Read the rules for the first time."""
        self._rules = await self._store.read(_rules)

    async def look(self) -> None:
        """Reload the rules, which another process may have changed; not when this one did meanwhile."""
        changes = self._changes
        rules = await self._store.read(_rules)
        if changes == self._changes:
            self._take(rules)

    async def _write(self, task: str, op: Callable[[Connection], Any]) -> dict[str, Any]:
        def write(connection: Connection) -> dict[str, Flag]:
            op(connection)
            return _rules(connection)

        self._changes += 1
        self._take(await self._store.change(write))
        return self._row(task)

    def _take(self, rules: dict[str, Flag]) -> None:
        if rules == self._rules:
            return
        before, self._rules = {row["task"]: row for row in self.all()}, rules
        for row in self.all():
            if row != before[row["task"]]:
                self.changed({key: row[key] for key in ("task", "path", "percent")})

    def _row(self, task: str) -> dict[str, Any]:
        flag, source = in_force(self._rules, task, self._settings.default_path)
        return {"task": task, "path": flag.path, "percent": flag.percent, "source": source}

    def _check_task(self, task: str) -> None:
        if task not in (ALL, *self._tasks):
            raise Refused(
                "not_found", f"there is no task {task!r}: * or one of {', '.join(self._tasks)} is right", "task"
            )


def _rules(connection: Connection) -> dict[str, Flag]:
    return {row.task: Flag(row.path, row.percent) for row in connection.execute(select(flags))}
