"""How log lines are written: structlog, to standard error, as words or as JSON."""

from __future__ import annotations

import faulthandler
import logging
import sys

import structlog


def set_up(log_format: str, level: str) -> None:
    """From now on every log line of this process looks as the settings say; foreign loggers only speak up when in trouble."""
    render = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # Not the standard library's handlers: their lock may be held by a green thread when a coroutine wants to log.
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    faulthandler.enable()  # a crash below Python names its place
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")
    # With a level of its own it adds no handler. What reaches it is a packet that is none: one line, without the packet.
    packets = logging.getLogger("engineio.server")
    packets.setLevel(logging.ERROR)
    packets.addFilter(_in_one_line)


def _in_one_line(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg, record.args, record.exc_info = f"{record.getMessage()}: {record.exc_info[0].__name__}", (), None
    return True
