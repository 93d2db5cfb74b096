"""What can be known of a running Spillway from outside, and a gate at which its jobs wait."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.guest import WAIT


class Gate:
    """Holds up the tasks `patient` and `single` until it is opened: no test needs to guess how long anything takes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> None:
        """Let everybody through."""
        self.path.touch()

    def begun(self) -> list[int]:
        """The numbers of the runs that came here, in the order in which they came."""
        book = Path(f"{self.path}.begun")
        return [int(word) for word in book.read_text().split()] if book.exists() else []


def until(true: Callable[[], Any], what: str) -> Any:
    """What `true` gives as soon as that is true."""
    end = time.monotonic() + WAIT
    while not (found := true()):
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.05)
    return found


def figure(url: str, name: str, **labels: str) -> float:
    """The sum of a figure's readings under these labels, as /metrics has them."""
    total = 0.0
    for line in requests.get(f"{url}/metrics", timeout=WAIT).text.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
            total += float(found[2])
    return total


def job(url: str, id: str) -> dict[str, Any]:
    """The job as GET /api/jobs/ID shows it."""
    answer = requests.get(f"{url}/api/jobs/{id}", timeout=WAIT)
    answer.raise_for_status()
    return dict(answer.json())


def queue(url: str) -> dict[str, Any] | None:
    """What the web process knows of its queue; None while it has none."""
    found = requests.get(f"{url}/api/operator", timeout=WAIT).json()["now"]["queue"]
    return None if found is None else dict(found)


def ready(url: str) -> bool:
    """Whether the web process answers and has all it needs."""
    try:
        return requests.get(f"{url}/readyz", timeout=WAIT).ok
    except requests.ConnectionError:
        return False
