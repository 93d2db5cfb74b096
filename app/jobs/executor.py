"""Run one attempt and say how it ended. Value in, value out: it emits nothing, retries nothing, acknowledges nothing."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from app.concurrency import DeadlineReached
from app.contract import JobError, Outcome
from app.payload import Refused
from app.tasks import Task
from ml_clients import within

Guard = Callable[[float], AbstractContextManager[Any]]
GRACE_SECONDS = 1.0  # the clients' own deadline gets these before the guard cuts in

_decode, _encode = msgspec.json.Decoder(dict[str, Any]).decode, msgspec.json.Encoder().encode


def execute(task: Task, args: bytes | str, links: dict[str, str] | None, guard: Guard = nullcontext) -> Outcome:
    """The outcome of running the task once with these arguments (JSON); never raises.

    Arguments and result make the same way through JSON on both paths, so that what works on one works on the other.
    """
    before = time.perf_counter()
    try:
        given = _decode(args)
        if "links" in task.given:
            given["links"] = links
        with guard(task.timeout + GRACE_SECONDS), within(task.timeout):
            value = task.function(**given)
        outcome = Outcome(state="succeeded", result=_encode(value))
        task.check_result(outcome.result or b"")
    except Exception as error:  # classified, never lost: what a task raises is its outcome
        outcome = Outcome(state="failed", error=classify(error))
    outcome.ms = (time.perf_counter() - before) * 1000
    return outcome


def classify(error: Exception) -> JobError:
    """What an exception means: only errors that say so themselves are retryable."""
    if isinstance(error, DeadlineReached):
        return JobError("timeout", str(error), retryable=True)
    if isinstance(error, Refused):
        return JobError("result_invalid", f"the result does not fit: {error.message}")
    return JobError(
        code=getattr(error, "code", None) or "task_error",
        message=str(error) or _place(error),
        retryable=bool(getattr(error, "retryable", False)),
        retry_after=getattr(error, "retry_after", None),
    )


def _place(error: Exception) -> str:
    """An exception without words: its name and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].name}, line {frames[-1].lineno}" if frames else type(error).__name__
