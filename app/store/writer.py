"""The one writer: operations of a loop round become one transaction, and what follows from it is handed on in order.

It writes in the loop's own turn while that is quick (20-50 us a commit), and through a real thread while a checkpoint
keeps the disk busy and for half a second after a slow commit: a write can block in the kernel behind somebody's fsync
(docs/adr/0001 has the measurements of both). One group at a time is under way, so every operation is prepared with what
all before it have settled.
"""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from app.loops import Loops
from app.store.checkpoints import Checkpoints
from app.store.errors import StoreConflict, StoreLocked, StoreUnavailable
from app.store.operation import Operation, Rows
from app.store.sqlite import Database

log = structlog.get_logger()

MAX_GROUP = 300  # operations in one transaction
MIN_GROUP = 16
ROUND_SECONDS = 0.004  # what one group may take of the loop's time: what arrives meanwhile waits as long
SLOW_SECONDS = 0.01  # a commit past this makes the writer use its thread for QUIET_SECONDS
QUIET_SECONDS = 0.5
THREAD_GAP_SECONDS = 0.003  # between two groups of the thread: fewer, larger ones cost less than half
RETRY_SECONDS = 0.5  # until an operation that is never given up is tried again after a failure
TICK_SECONDS = 0.25
LOCK_PAUSES = (0.001, 0.02)  # seconds: the first and the longest wait for somebody else's lock


class Threads(Protocol):
    """What the writer needs of app/concurrency: real threads, also in a process of green ones."""

    loop: AbstractEventLoop

    def os_thread(self, function: Callable[..., Any], *args: Any) -> None:
        """Run in a real thread."""

    def os_queue(self) -> Any:
        """A `queue.SimpleQueue` between real threads."""


class _Group:
    """Operations on their way into one transaction, and whether anybody still waits for them."""

    def __init__(self, operations: list[Operation], started: float) -> None:
        self.operations, self.started = operations, started
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


class Writer:
    """Commits operations in groups, in the order in which they were added, urgent ones first."""

    def __init__(
        self,
        database: Database,
        threads: Threads,
        checkpoints: Checkpoints,
        make_effects: Callable[[], Any],
        loops: Loops,
    ) -> None:
        self._database, self._threads, self._checkpoints = database, threads, checkpoints
        self._loop = threads.loop
        self._make_effects = make_effects
        self.publish: Callable[[Any], None] = lambda effects: None  # gets the effects of each commit, in order
        self._urgent: deque[Operation] = deque()
        self._other: deque[Operation] = deque()
        self._exclusive: deque[Callable[[], None]] = deque()
        self._group: _Group | None = None
        self._scheduled = self._stopped = False
        self._cost = 0.0001  # seconds an operation, as measured lately
        self._quiet_until = self._threaded_at = 0.0
        self._pause = 0.0
        self._work = threads.os_queue()
        self._idle: list[Callable[[], None]] = []
        self._after_group: list[Callable[[], None]] = []
        self._exclusive_turn = False
        # Also while a group hangs in the thread, those whose time is up are answered.
        loops.tick(TICK_SECONDS, "expired", self._drop_expired)
        loops.in_thread(threads, "writer", self._serve_thread)

    def add(self, operation: Operation) -> None:
        """Commit this with the next group; once stopped, leave it to the next process, which finds everything in the ledger."""
        if self._stopped:
            return
        (self._urgent if operation.urgent else self._other).append(operation)
        self._schedule()

    def exclusive(self, work: Callable[[], None]) -> None:
        """Run this in the writer's thread between two groups; it reports by itself."""
        self._exclusive.append(work)
        self._schedule()

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call this once everything added so far is committed or given up."""
        if self._is_idle():
            call()
        else:
            self._idle.append(call)

    def when_committed(self, call: Callable[[], None]) -> None:
        """Call this when memory holds nothing that is not committed: now, unless a group is under way in the thread."""
        if self._group is None:
            call()
        else:
            self._after_group.append(call)

    fence: tuple[str, float] | None = None

    @property
    def is_idle(self) -> bool:
        return self._is_idle()

    @property
    def is_writing(self) -> bool:
        """Whether memory may hold what is not committed yet."""
        return self._group is not None

    def stop(self) -> None:
        """End the writer's thread; what is added from now on is left alone."""
        self._stopped = True
        self._work.put(None)

    # One group after the other

    def _is_idle(self) -> bool:
        return not (self._group or self._urgent or self._other or self._exclusive)

    def _schedule(self, seconds: float = 0.0) -> None:
        if self._group is None and not self._scheduled:
            self._scheduled = True
            if seconds:
                self._loop.call_later(seconds, self._begin)
            else:
                self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Prepare the next group and write it, here or in the thread."""
        self._scheduled = False
        self._drop_expired()
        if self._exclusive and (self._exclusive_turn or not self._urgent):
            self._exclusive_turn = False
            self._group = _Group([], self._loop.time())
            self._work.put(self._exclusive.popleft())
            return
        self._exclusive_turn = True
        group = self._group = self._prepared()
        if not group.operations:
            self._finish(group)
            return
        if self._checkpoints.running or group.started < self._quiet_until:
            self._threaded_at = group.started
            self._watch(group)
            self._work.put(group)
            return
        error = self._write(group)
        took = self._loop.time() - group.started
        if took > SLOW_SECONDS:
            self._quiet_until = self._loop.time() + QUIET_SECONDS
        self._cost += (took / len(group.operations) - self._cost) * 0.1
        self._written(group, error)

    def _prepared(self) -> _Group:
        limit = min(MAX_GROUP, max(MIN_GROUP, int(ROUND_SECONDS / self._cost)))
        group = _Group([], self._loop.time())
        for line in (self._urgent, self._other):
            while line and len(group.operations) < limit:
                operation = line.popleft()
                try:
                    operation.prepare(group.rows)
                    group.operations.append(operation)
                except Exception as error:  # a mistake of ours: the others must not pay for it
                    return self._without(group, operation, error)
        return group

    def _without(self, group: _Group, wrong: Operation, error: Exception) -> _Group:
        """Put the group back as it was and give up the operation that made a mistake: its rows may be half there."""
        effects = self._make_effects()
        self._give_up(wrong, effects, error)
        self._put_back(group)
        self.publish(effects)
        return _Group([], group.started)

    def _give_up(self, wrong: Operation, effects: Any, error: Exception) -> None:
        log.error("an operation could not be prepared", operation=type(wrong).__name__, exc_info=error)
        wrong.undo()
        self._call(wrong.failed, effects, StoreUnavailable("a mistake on our side"))

    def _write(self, group: _Group) -> Exception | None:
        try:
            self._database.write(group.rows, group.still_wanted)
        except (StoreUnavailable, StoreConflict) as error:
            return error
        except Exception as error:  # a row that the database cannot take is a mistake of ours: the others must not pay
            log.exception("a group could not be written")
            return StoreConflict(repr(error))
        return None

    def _written(self, group: _Group, error: Exception | None) -> None:
        if error is None:
            self._pause = 0.0
            self._finish(group)
        elif isinstance(error, StoreLocked):
            self._wait_for_lock(group)
        elif isinstance(error, StoreConflict) and len(group.operations) > 1:
            self._one_by_one(group)
        else:
            self._fail(group, error)

    def _finish(self, group: _Group) -> None:
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
            self._schedule(max(0.0, self._threaded_at + THREAD_GAP_SECONDS - self._loop.time()))

    # When it does not work

    def _wait_for_lock(self, group: _Group) -> None:
        """Somebody else writes: everything waits in memory, and the loop goes on."""
        self._put_back(group)
        self._pause = min(max(LOCK_PAUSES[0], self._pause * 2), LOCK_PAUSES[1])
        self._group = None
        self._memory_is_true()
        self._schedule(self._pause)

    def _put_back(self, group: _Group) -> None:
        for operation in reversed(group.operations):
            operation.undo()
            (self._urgent if operation.urgent else self._other).appendleft(operation)

    def _one_by_one(self, group: _Group) -> None:
        """One of them has a key that was used before: each gets a transaction of its own."""
        for operation in reversed(group.operations):
            operation.undo()
        effects = self._make_effects()
        for operation in group.operations:
            alone = _Group([operation], group.started)
            try:
                operation.prepare(alone.rows)
            except Exception as mistake:  # as in `_prepared`
                self._give_up(operation, effects, mistake)
                continue
            refused = self._write(alone)
            if refused is None:
                self._call(operation.done, effects)
            else:
                operation.undo()
                self._fail_one(operation, refused, effects)
        self._end_group(effects)

    def _fail(self, group: _Group, error: Exception) -> None:
        for operation in reversed(group.operations):
            operation.undo()
        effects = self._make_effects()
        if isinstance(error, StoreUnavailable):
            log.error("write failed", error=str(error))
            self._checkpoints.cut()  # a full disk with a long log: the log is what can be made shorter
        for operation in group.operations:
            self._fail_one(operation, error, effects)
        self._end_group(effects)

    def _fail_one(self, operation: Operation, error: Exception, effects: Any) -> None:
        if isinstance(error, StoreConflict):
            self._call(operation.conflict, effects, self._database.find)
        elif operation.expires is None:
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

    def _watch(self, group: _Group) -> None:
        """Have the thread give the group up when it hangs before its commit for too long."""
        expires = [each.expires for each in group.operations if each.expires is not None]
        if expires:
            self._loop.call_at(min(expires), group.give_up)

    @staticmethod
    def _call(step: Callable[..., None], *args: Any) -> None:
        try:
            step(*args)
        except Exception:  # committed or given up already: the writer must go on for everybody else
            log.exception("after a commit")

    # The thread

    def _serve_thread(self) -> None:
        while True:
            work = self._work.get()
            if work is None:
                return
            if isinstance(work, _Group):
                self._loop.call_soon_threadsafe(self._written, work, self._write(work))
            else:
                work()
                self._loop.call_soon_threadsafe(self._after_exclusive)

    def _after_exclusive(self) -> None:
        self._group = None
        self._memory_is_true()
        self._next()
