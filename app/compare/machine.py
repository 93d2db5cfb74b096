"""The machine on which a comparison is made."""

from __future__ import annotations

import os
import platform

import psutil

from app.settings import from_env


def machine() -> dict[str, object]:
    """Cores, processor, memory and software of this machine."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "max_inflight": from_env().max_inflight,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
