"""The flags as they stand: kept in the database, read again twice a second, changed by operators."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from app.flags.provider import ask_with
from app.flags.rollout import ALL, Flag, in_force
from app.payload import Refused, read
from app.settings import Settings
from app.store.store import Store, StoreUnavailable
from app.store.tables import flags

READ_EVERY = 0.5  # seconds (design.md, part 2)
Shown = Callable[[dict[str, Any]], None]


class Flags:
    """What path each task takes, for whom."""

    def __init__(self, store: Store, settings: Settings, tasks: Iterable[str], changed: Shown) -> None:
        self._store, self._settings, self._tasks, self._changed = store, settings, list(tasks), changed
        self._rules = store.read(_rules)
        self._changes = 0  # made by this process
        self.ask = ask_with(lambda: self._rules, settings.default_path)

    def all(self) -> list[dict[str, Any]]:
        """What is in force: `*` first, then each task; `source` says whose flag it is."""
        return [self._row(name) for name in [ALL, *self._tasks]]

    def put(self, task: str, body: Any) -> dict[str, Any]:
        """Set a flag; raises Refused (bad_request, not_found, conflict)."""
        flag = read(body, Flag)
        self._check_task(task)
        if flag.path != "simple" and not self._settings.nats_url:
            raise Refused("conflict", f"path {flag.path} needs a queue, and none is configured: set NATS_URL", "path")
        if flag.path != "simple" and not self._settings.ledger:
            raise Refused("conflict", f"path {flag.path} needs the ledger, and LEDGER is off", "path")
        statement = upsert(flags).values(task=task, path=flag.path, percent=flag.percent)
        change = statement.on_conflict_do_update(
            index_elements=[flags.c.task], set_={"path": flag.path, "percent": flag.percent}
        )
        return self._write(task, lambda connection: connection.execute(change))

    def unset(self, task: str) -> dict[str, Any]:
        """Remove a task's own flag, so that `*` or the default holds again."""
        self._check_task(task)
        return self._write(task, lambda connection: connection.execute(delete(flags).where(flags.c.task == task)))

    def wants_queue(self) -> bool:
        """Whether any flag may send a job to the queue."""
        return any(row["path"] != "simple" for row in self.all())

    def watch(self) -> None:
        """Read the rules again and again: another process may have changed them."""
        while True:
            time.sleep(READ_EVERY)
            try:
                self.look()
            except StoreUnavailable:
                continue  # the rules we know stay in force until the database answers again

    def look(self) -> None:
        """Take the rules as the database has them, unless they were changed here while it was asked: that is newer."""
        changes = self._changes
        rules = self._store.read(_rules)
        if changes == self._changes:
            self._take(rules)

    def _write(self, task: str, op: Callable[[Connection], Any]) -> dict[str, Any]:
        def write(connection: Connection) -> dict[str, Flag]:
            op(connection)
            return _rules(connection)

        self._store.write(write, then=self._take_own)
        return self._row(task)

    def _take_own(self, rules: dict[str, Flag]) -> None:
        self._changes += 1
        self._take(rules)

    def _take(self, rules: dict[str, Flag]) -> None:
        before, self._rules = {row["task"]: row for row in self.all()}, rules
        for row in self.all():
            if row != before[row["task"]]:
                self._changed({key: row[key] for key in ("task", "path", "percent")})

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
