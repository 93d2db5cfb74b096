"""Operations on their way into one transaction, and whether anybody still waits for them."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Protocol

from app.store.operation import Look, Operation, Rows

Written = Callable[["Group", Exception | None], None]
"""Called on the loop when a group is committed, or with what kept it from that."""


class Group:
    """Prepared one after the other, and committed as a whole or not at all."""

    def __init__(self, operations: list[Operation], started: float, alone: bool = False) -> None:
        """`alone` says that it is one operation, of a group that failed as a whole."""
        self.operations, self.started, self.alone = operations, started, alone
        self.rows: Rows = {}
        self._given_up = self._committing = False
        self._lock = threading.Lock()

    def still_wanted(self) -> bool:
        """Asked by the database right before the commit; from then on it cannot be given up."""
        with self._lock:
            self._committing = not self._given_up
            return self._committing

    def give_up(self) -> None:
        """Have it rolled back instead of committed, unless it is being committed already."""
        with self._lock:
            self._given_up = not self._committing

    def watch(self, loop: AbstractEventLoop) -> None:
        """Have it given up when it hangs before its commit until somebody's time is up."""
        if self.expires is not None:
            loop.call_at(self.expires, self.give_up)

    @property
    def expires(self) -> float | None:
        """On the loop's clock: when the first of those who wait for an answer must have it."""
        return min((each.expires for each in self.operations if each.expires is not None), default=None)

    @property
    def can_be_withdrawn(self) -> bool:
        """Whether all of it is given up once it took too long, so that it may be removed again as a whole."""
        return all(each.expires is not None for each in self.operations)

    def by_key(self) -> Look | None:
        """Of one operation that met a row with its key: what finds that row."""
        return self.operations[0].by_key() if len(self.operations) == 1 else None


class Commits(Protocol):
    """A way to commit groups, one at a time: app/store/local.py and app/store/postgres/remote.py."""

    apart: bool  # whether what people wait for has groups of its own

    @property
    def limit(self) -> int:
        """How many operations the next group may have."""

    @property
    def next_at(self) -> float:
        """On the loop's clock: when the next group is to begin."""

    def write(self, group: Group, written: Written) -> None:
        """Commit it, and call `written`, now or later."""

    def run(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        """Do other work while no group is under way, then call `done` on the loop."""

    def failed(self) -> None:
        """The database could not be written."""

    def stop(self) -> None:
        """No group comes any more."""


class Threads(Protocol):
    """What the store needs of app/concurrency: real threads, also in a process of green ones."""

    loop: AbstractEventLoop

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """Run in a real thread."""

    def os_queue(self) -> Any:
        """A `queue.SimpleQueue` between real threads."""
