"""Run one attempt and say how it ended: it retries nothing and acknowledges nothing. Value in, value out, but for a
generator's: what that yields is handed to `hear` meanwhile.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import structlog

from app.concurrency import DeadlineReached
from app.contract import MAX_TRACEBACK_BYTES, JobError, Outcome
from app.jobs.streamed import Hear, Nobody, result_of
from app.payload import Refused
from app.tasks import Task
from app.where import innermost, steps_of
from ml_clients import ModelError, Stop, Stopped, stoppable, within

log = structlog.get_logger()

NOBODY = Nobody()
Guard = Callable[[float], AbstractContextManager[Any]]
MAX_LOGGED_CHARACTERS = 300  # of an error in a line of the log
GRACE_SECONDS = 1.0  # the clients' own deadline gets these before the guard cuts in

_decode, _encode = msgspec.json.Decoder(dict[str, Any]).decode, msgspec.json.Encoder().encode


def execute(
    task: Task,
    args: bytes | str,
    links: dict[str, str] | None,
    guard: Guard = nullcontext,
    hear: Hear = NOBODY,
    stop: Stop | None = None,
) -> Outcome:
    """The outcome of running the task once with these arguments (JSON); never raises.

    `hear` is told what it yields meanwhile, and `stop` ends its model calls. Arguments and result make the same way
    through JSON on both paths, so that what works on one works on the other.
    """
    before, stop = time.perf_counter(), stop or Stop()
    try:
        given = _decode(args)
        if "links" in task.given:
            given["links"] = links
        with guard(task.timeout + GRACE_SECONDS), within(task.timeout), stoppable(stop):
            value = task.function(**given)
            if task.streams:
                value = result_of(value, hear, stop)
        outcome = Outcome(state="succeeded", result=_encode(value))
        task.check_result(outcome.result or b"")
    except (Exception, SystemExit) as error:  # classified, never lost: what a task raises is its outcome
        outcome = Outcome(state="failed", error=classify(error))
        if _needs_its_author(error):
            outcome.raised_at, outcome.error.traceback = _trace(task, error)  # type: ignore[union-attr]  # set above
    outcome.ms = (time.perf_counter() - before) * 1000
    return outcome


def report(outcome: Outcome, task: str, job: str, room: str) -> None:
    """Leave one line in the log of an attempt whose task raised what its author should look at."""
    if outcome.raised_at is not None and outcome.error is not None:
        log.warning(
            "a task raised",
            task=task,
            job=job,
            room=room,
            at=outcome.raised_at,
            code=outcome.error.code,
            error=outcome.error.message[:MAX_LOGGED_CHARACTERS],
        )


def _needs_its_author(error: BaseException) -> bool:
    """Not what is in the nature of things: a deadline, a result that does not fit, a model that is away for a while."""
    if isinstance(error, DeadlineReached | Refused | Stopped):
        return False
    return not (isinstance(error, ModelError) and error.retryable)


def _trace(task: Task, error: BaseException) -> tuple[str, str]:
    """The innermost line of the task's own file, and the traceback from that file on."""
    file = task.function.__code__.co_filename
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    place = innermost(steps_of(trace), (file,)) or innermost(
        [(task.function.__code__, task.function.__code__.co_firstlineno)], (file,)
    )
    return place or file, shortened("".join(lines))


def shortened(text: str) -> str:
    """The end of a traceback, where the error is, in at most MAX_TRACEBACK_BYTES bytes."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_TRACEBACK_BYTES:
        return text
    return "...\n" + data[4 - MAX_TRACEBACK_BYTES :].decode("utf-8", "ignore")


def classify(error: BaseException) -> JobError:
    """What an exception means: only errors that say so themselves are retryable."""
    if isinstance(error, DeadlineReached):
        return JobError("timeout", str(error), retryable=True)
    if isinstance(error, Refused):
        return JobError("result_invalid", f"the result does not fit: {error.message}")
    code, status = getattr(error, "code", None), getattr(error, "status", None)
    return JobError(
        code=code if isinstance(code, str) and code else "task_error",  # foreign errors have codes of other kinds
        message=_sentence(error),
        retryable=bool(getattr(error, "retryable", False)),
        retry_after=getattr(error, "retry_after", None),
        status=status if isinstance(status, int) else None,
    )


def _sentence(error: BaseException) -> str:
    """What it says; of one without words its name and the line that raised it."""
    if isinstance(error, SystemExit):
        return f"SystemExit: {error}"
    if str(error):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].name}, line {frames[-1].lineno}" if frames else type(error).__name__
