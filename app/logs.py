"""How log lines are written: structlog, to standard error, as words or as JSON."""

from __future__ import annotations

import faulthandler
import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from app import streams
from app.ids import trace_id
from ml_clients.variable import Holding


def set_up(log_format: str, level: str) -> None:
    """From now on every log line of this process looks as the settings say; foreign loggers only speak up when in trouble."""
    render = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            _with_job,
            _with_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: _Lines(sys.stderr),
        cache_logger_on_first_use=True,
    )
    if log_format == "json":
        streams.report_dropped(_dropped_as_json)
    faulthandler.enable()  # a crash below Python names its place
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")
    # With a level of its own it adds no handler. What reaches it is a packet that is none: one line, without the packet.
    packets = logging.getLogger("engineio.server")
    packets.setLevel(logging.ERROR)
    packets.addFilter(_in_one_line)


def about_job(id: str) -> AbstractContextManager[Any]:
    """What is logged in this block, by whatever a task calls, names this job."""
    return Holding(_job, id)


_job: ContextVar[str | None] = ContextVar("job", default=None)


def _with_job(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line that something logs on behalf of a job names it."""
    job = _job.get()
    if job is not None:
        event.setdefault("job", job)
    return event


def _with_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line that is about a job also names its trace, under which other systems know it."""
    job = event.get("job")
    if isinstance(job, str) and "trace" not in event:
        event["trace"] = trace_id(job)
    return event


def _in_one_line(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg, record.args, record.exc_info = f"{record.getMessage()}: {record.exc_info[0].__name__}", (), None
    return True


class _Lines:
    """Writes each line at once, without a lock: structlog's may be held by a green thread when a coroutine wants to log."""

    def __init__(self, stream: TextIO) -> None:
        write = stream.write
        self._write: Callable[[str], Any] = lambda line: write(f"{line}\n")

    def __getattr__(self, level: str) -> Callable[[str], Any]:
        """Levels were filtered before: all of them write."""
        return self._write


def _dropped_as_json(count: int) -> str:
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"event": streams.in_words(count), "lines": count, "level": "warning", "timestamp": at})
