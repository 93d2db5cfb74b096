"""Who comes first where models and chat share a machine."""

import argparse
import contextlib
import os
from pathlib import Path

IDLE = "idle"
IDLE_NICENESS = 10  # besides the scheduler's own word for it, and where that is forbidden
MAX_NICENESS = 19


def niceness(text: str) -> str:
    """`idle`, or a whole number from 0 to 19, as `step_back` takes it; for a command line."""
    if text == IDLE or (text.isascii() and text.isdigit() and int(text) <= MAX_NICENESS):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is invalid: expected {IDLE}, or a whole number from 0 to {MAX_NICENESS}"
    )


def step_back(niceness: str = IDLE) -> None:
    """Leave the processor to others, as far as `niceness` says; call it when the process is ready, for its start counts.

    `idle` gives way at once to whoever else wants the processor: right beside chat, and wrong on a machine of its own
    that others keep busy, for there it may never get a turn. A number is niceness, 0 leaves everything as it was.
    Niceness alone is not enough: Linux lets a nice process finish its turn of some milliseconds before chat, which
    takes several turns for one message, gets the next one. A process under SCHED_IDLE gives way the moment it is asked.
    """
    wanted = IDLE_NICENESS if niceness == IDLE else int(niceness)
    os.setpriority(os.PRIO_PROCESS, 0, max(wanted, os.getpriority(os.PRIO_PROCESS, 0)))
    if niceness == IDLE and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):  # a container may forbid it
            for thread in Path("/proc/self/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
