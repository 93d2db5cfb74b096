"""The one writer: operations of a loop round become one transaction, and what follows from it is handed on in order.

One group at a time is under way, so every operation is prepared with what all before it have settled. How a group gets
into the database is the matter of app/store/local.py and postgres/remote.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from app.loops import Loops
from app.store.errors import StoreConflict, StoreFenced, StoreLocked, StoreUnavailable
from app.store.group import Commits, Group
from app.store.operation import Operation, add_row

log = structlog.get_logger()

RETRY_SECONDS = 0.5  # until an operation that is never given up is tried again after a failure
TICK_SECONDS = 0.25
LOCK_PAUSES = (0.001, 0.02)  # seconds: the first and the longest wait for somebody else's lock


class Writer:
    """Commits operations in groups, in the order in which they were added, urgent ones first."""

    def __init__(self, commits: Commits, make_effects: Callable[[], Any], loops: Loops) -> None:
        self.commits, self._make_effects, self._loop = commits, make_effects, loops.loop
        self.timed: Callable[[float], None] = lambda seconds: None  # a group was written, or given up, in so long
        self.publish: Callable[[Any], None] = lambda effects: None  # gets the effects of each commit, in order
        # Where several processes write: which of them this is, and since when. Each group is refused when it is none any more.
        self.fence: tuple[str, float] | None = None
        self._urgent: deque[Operation] = deque()
        self._other: deque[Operation] = deque()
        self._alone: deque[Operation] = deque()  # each gets a transaction of its own, before all others
        self._exclusive: deque[Callable[[], None]] = deque()
        self._group: Group | None = None
        self._scheduled = self._stopped = False
        self._pause = 0.0
        self._idle: list[Callable[[], None]] = []
        self._after_group: list[Callable[[], None]] = []
        self._exclusive_turn = self._others_turn = False
        # Also while a group hangs, those behind it whose time is up are answered.
        loops.tick(TICK_SECONDS, "expired", self._drop_expired)

    def add(self, operation: Operation) -> None:
        """Commit this with the next group; once stopped, leave it to the next process, which finds everything in the ledger."""
        if self._stopped:
            return
        (self._urgent if operation.urgent else self._other).append(operation)
        self._schedule()

    def exclusive(self, work: Callable[[], None]) -> None:
        """Run this between two groups; it reports by itself."""
        self._exclusive.append(work)
        self._schedule()

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call this once everything added so far is committed or given up."""
        if self._is_idle():
            call()
        else:
            self._idle.append(call)

    def when_committed(self, call: Callable[[], None]) -> None:
        """Call this when memory holds nothing that is not committed: now, unless a group is under way."""
        if self._group is None:
            call()
        else:
            self._after_group.append(call)

    @property
    def is_idle(self) -> bool:
        """Whether everything added so far is committed or given up."""
        return self._is_idle()

    @property
    def is_writing(self) -> bool:
        """Whether memory may hold what is not committed yet."""
        return self._group is not None

    def stop(self) -> None:
        """What is added from now on is left alone."""
        self._stopped = True
        self.commits.stop()

    # One group after the other

    def _is_idle(self) -> bool:
        return not (self._group or self._alone or self._urgent or self._other or self._exclusive)

    def _schedule(self, seconds: float = 0.0) -> None:
        if self._group is None and not self._scheduled:
            self._scheduled = True
            if seconds:
                self._loop.call_later(seconds, self._begin)
            else:
                self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Prepare the next group and have it written."""
        self._scheduled = False
        self._drop_expired()
        if self._exclusive and not self._alone and (self._exclusive_turn or not self._urgent):
            self._exclusive_turn = False
            self._group = Group([], self._loop.time())
            self.commits.run(self._exclusive.popleft(), self._after_exclusive)
            return
        self._exclusive_turn = True
        group = self._group = self._prepared()
        if group.operations:
            self.commits.write(group, self._written)
        else:
            self._finish(group)

    def _prepared(self) -> Group:
        group = Group([], self._loop.time(), alone=bool(self._alone))
        limit = 1 if group.alone else self.commits.limit
        for line in self._lines():
            if self.commits.apart and group.operations:
                break
            while line and len(group.operations) < limit:
                operation = line.popleft()
                try:
                    operation.prepare(group.rows)
                    group.operations.append(operation)
                except Exception as error:  # a mistake of ours: the others must not pay for it
                    return self._without(group, operation, error)
        if self.fence is not None and group.operations:
            add_row(group.rows, "fence", self.fence)
        return group

    def _lines(self) -> tuple[deque[Operation], ...]:
        """Where the next group comes from, in this order: what people wait for first, or in turns where it goes apart."""
        self._others_turn = self.commits.apart and not self._others_turn
        if self._others_turn:
            return self._alone, self._urgent, self._other
        return (
            (self._alone, self._other, self._urgent) if self.commits.apart else (self._alone, self._urgent, self._other)
        )

    def _without(self, group: Group, wrong: Operation, error: Exception) -> Group:
        """Put the group back as it was and give up the operation that made a mistake: its rows may be half there."""
        effects = self._make_effects()
        self._give_up(wrong, effects, error)
        self._put_back(group)
        self.publish(effects)
        return Group([], group.started)

    def _give_up(self, wrong: Operation, effects: Any, error: Exception) -> None:
        log.error("an operation could not be prepared", operation=type(wrong).__name__, exc_info=error)
        wrong.undo()
        self._call(wrong.failed, effects, StoreUnavailable("a mistake on our side"))

    def _written(self, group: Group, error: Exception | None) -> None:
        self.timed(self._loop.time() - group.started)
        if error is None:
            self._pause = 0.0
            self._finish(group)
        elif isinstance(error, StoreLocked):
            self._wait_for_lock(group)
        elif isinstance(error, StoreConflict) and len(group.operations) > 1:
            self._one_by_one(group)
        else:
            self._fail(group, error)

    def _finish(self, group: Group) -> None:
        """The group is committed: hand on what follows, then turn to the next."""
        effects = self._make_effects()
        for operation in group.operations:
            self._call(operation.done, effects)
        self._end_group(effects)

    def _end_group(self, effects: Any) -> None:
        """Its operations are answered: send the effects, then turn to the next group."""
        self._group = None
        self._call(self.publish, effects)
        self._memory_is_true()
        self._next()

    def _memory_is_true(self) -> None:
        calls, self._after_group = self._after_group, []
        for call in calls:
            self._call(call)

    def _next(self) -> None:
        if self._is_idle():
            waiting, self._idle = self._idle, []
            for call in waiting:
                call()
        else:
            self._schedule(max(0.0, self.commits.next_at - self._loop.time()))

    # When it does not work

    def _wait_for_lock(self, group: Group) -> None:
        """Somebody else writes: everything waits in memory, and the loop goes on."""
        self._put_back(group)
        self._pause = min(max(LOCK_PAUSES[0], self._pause * 2), LOCK_PAUSES[1])
        self._group = None
        self._memory_is_true()
        self._schedule(self._pause)

    def _put_back(self, group: Group) -> None:
        for operation in reversed(group.operations):
            operation.undo()
            line = self._alone if group.alone else self._urgent if operation.urgent else self._other
            line.appendleft(operation)

    def _one_by_one(self, group: Group) -> None:
        """One of them has a key that was used before: each gets a transaction of its own."""
        for operation in reversed(group.operations):
            operation.undo()
            self._alone.appendleft(operation)
        self._end_group(self._make_effects())

    def _fail(self, group: Group, error: Exception) -> None:
        for operation in reversed(group.operations):
            operation.undo()
        effects = self._make_effects()
        if isinstance(error, StoreUnavailable) and not isinstance(error, StoreFenced):
            log.error("write failed", error=str(error))
            self.commits.failed()
        for operation in group.operations:
            self._fail_one(operation, error, effects)
        self._end_group(effects)

    def _fail_one(self, operation: Operation, error: Exception, effects: Any) -> None:
        if isinstance(error, StoreConflict):
            self._call(operation.conflict, effects, error.row)
        elif operation.expires is None and not isinstance(error, StoreFenced):
            self._loop.call_later(RETRY_SECONDS, self.add, operation)
        else:
            self._call(operation.failed, effects, error)

    def _drop_expired(self) -> None:
        """Give up what has waited too long: its asker was promised an answer within seconds."""
        now = self._loop.time()
        if not (self._urgent and (self._urgent[0].expires or now) < now):
            return
        effects = self._make_effects()
        while self._urgent and (self._urgent[0].expires or now) < now:
            self._call(
                self._urgent.popleft().failed, effects, StoreUnavailable("the database is held by somebody else")
            )
        self.publish(effects)

    @staticmethod
    def _call(step: Callable[..., None], *args: Any) -> None:
        try:
            step(*args)
        except Exception:  # committed or given up already: the writer must go on for everybody else
            log.exception("after a commit")

    def _after_exclusive(self) -> None:
        self._group = None
        self._memory_is_true()
        self._next()
