"""Who comes first where models and chat share a machine."""

import contextlib
import os
from pathlib import Path

NICENESS = 10


def step_back() -> None:
    """Leave the processor to whoever else wants it, at once; call it when the process is ready, for its start counts.

    Niceness alone is not enough: Linux lets a nice process finish its turn of some milliseconds before chat, which
    takes several turns for one message, gets the next one. A process under SCHED_IDLE gives way the moment it is asked.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):  # a container may forbid it
            for thread in Path("/proc/self/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
