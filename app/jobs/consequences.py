"""What an outcome leads to, found out before it is committed: the words for the room, and which tasks follow.

`says` and `when` are code of whoever wrote the task, so they run in a real thread, where they can hold up nobody, and
for a bounded time. What they decide is committed together with the outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from app.contract import MAX_RESULT_BYTES, Outcome, failure
from app.jobs.job import Job
from app.store.group import Threads
from app.store.hand_back import hand_back
from app.tasks import Said, Task

T = TypeVar("T")
log = structlog.get_logger()

BOUND_SECONDS = 0.05  # of processor time that `says` or `when` may use; the first call of each may have to import
# Until one that does not return is given up. Not the bound itself: a thread shares the interpreter with the loop, and
# the machine with models, so how long it waits is not its fault.
PATIENCE_SECONDS = 1.0


class Consequences(NamedTuple):
    """What the room is told, or None; and for each task that follows its arguments as JSON text."""

    said: Said | None
    followers: list[tuple[Task, str]]


NOTHING = Consequences(None, [])


class UserCode:
    """Runs `says` and `when` one after the other in a real thread; one that hangs is left behind for a new one."""

    def __init__(self, threads: Threads) -> None:
        self._threads, self._loop = threads, threads.loop
        self._work: Any = None
        self._called: set[str] = set()

    async def run(self, what: str, function: Callable[..., T], *args: Any) -> T:
        """The function's value; raises TimeoutError when it takes too long, and whatever it raises."""
        if self._work is None:
            self._work = self._threads.os_queue()
            self._threads.os_thread(self._serve, self._work)
        done: asyncio.Future[tuple[T, float]] = self._loop.create_future()
        self._work.put((done, _timed, function, args))
        try:
            value, used = await asyncio.wait_for(done, PATIENCE_SECONDS)
        except TimeoutError:
            if not done.cancelled():
                raise  # the function's own
            self._work.put(None)
            self._work = None
            raise TimeoutError(f"it did not return within {PATIENCE_SECONDS:g} s") from None
        is_first = what not in self._called
        self._called.add(what)
        if used > BOUND_SECONDS:
            log.warning("slow code in a task's declaration", what=what, seconds=round(used, 3))
            if not is_first:
                raise TimeoutError(
                    f"it used {used * 1000:.0f} ms of processor time, and may use {BOUND_SECONDS * 1000:.0f}"
                )
        return value

    def _serve(self, work: Any) -> None:
        while (asked := work.get()) is not None:
            done, *called = asked
            hand_back(self._loop, done, *called)


def _timed(function: Callable[..., T], args: tuple[Any, ...]) -> tuple[T, float]:
    """Its value, and what it used of the processor, in seconds."""
    before = time.thread_time()
    return function(*args), time.thread_time() - before


def leads_to_nothing(tasks: Mapping[str, Task], job: Job, outcome: Outcome) -> bool:
    """Whether the outcome of this job has no words and no followers, so that nobody need be asked."""
    task = tasks.get(job.task)
    return outcome.state != "succeeded" or task is None or (task.says is None and not task.followers)


async def consequences_of(
    user_code: UserCode,
    tasks: Mapping[str, Task],
    job: Job,
    outcome: Outcome,
    history: Callable[[str, int], Any],
    runs: Callable[[Task], bool],
) -> tuple[Outcome, Consequences]:
    """The outcome, or a failure in its place when its words cannot be made; and what it leads to.

    `runs` says whether a task may run in the room.
    """
    task = tasks[job.task]
    result = msgspec.json.decode(outcome.result or b"null")
    try:
        said = await user_code.run(f"says of {task.name}", task.says, result) if task.says else None
        msgspec.json.encode(said)  # what cannot be stored must fail here, and not in the writer
    except Exception as error:  # the task's own code: whatever it raises is the outcome's failure
        return failure("says_failed", f"{type(error).__name__}: {error}"), NOTHING
    followers = []
    for name in task.followers:
        follower = tasks[name]
        if not runs(follower):
            continue
        if follower.when is not None and not await _wants(user_code, follower, result):
            continue
        followers.append((follower, await _arguments(follower, job, outcome.result or b"null", history)))
    return outcome, Consequences(said, followers)


async def _wants(user_code: UserCode, follower: Task, value: Any) -> bool:
    """Whether the task's `when` says yes; no, when it fails: the job it follows must not fail for it."""
    try:
        return bool(await user_code.run(f"when of {follower.name}", follower.when, value))  # type: ignore[arg-type]
    except Exception as error:  # whatever it raises
        log.error("`when` of a task failed, so it does not run", task=follower.name, error=repr(error))
        return False


async def wants_message(user_code: UserCode, task: Task, text: str) -> bool:
    """Whether a task that runs on messages wants this one."""
    return task.when is None or await _wants(user_code, task, text)


async def _arguments(follower: Task, job: Job, result: bytes, history: Callable[[str, int], Any]) -> str:
    given: dict[str, Any] = {}
    if job.task in follower.given:
        given[job.task] = msgspec.Raw(result)
    before = msgspec.json.decode(job.args, type=dict[str, msgspec.Raw])
    for name in ("text", "upload"):
        wanted = name in follower.arguments.__struct_fields__ or (name == "upload" and "links" in follower.given)
        if name in before and wanted:
            given[name] = before[name]
    if follower.history:
        given["history"] = fitting(await history(job.room, follower.history), len(msgspec.json.encode(given)))
    return msgspec.json.encode(given).decode()


def fitting(lines: list[dict[str, str]], taken: int) -> list[dict[str, str]]:
    """The newest of these lines that fit beside what is taken of a job's arguments, oldest first."""
    kept: list[dict[str, str]] = []
    for line in reversed(lines):
        taken += len(msgspec.json.encode(line)) + 16
        if taken > MAX_RESULT_BYTES:
            break
        kept.append(line)
    return kept[::-1]


def words_of_failure(task: Task | None, job: Job, kept: bool) -> Said:
    """What the room is told when something somebody asked for did not work; `kept`: it is a dead letter."""
    what = task.about if task else job.task
    tries = f"{job.attempt} {'tries' if job.attempt > 1 else 'try'}"
    return Said(f"{what}: this did not work ({tries}).{' It is kept and can be tried again.' if kept else ''}")
