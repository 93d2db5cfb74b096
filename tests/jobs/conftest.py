"""Processes of the kind that tests/jobs/process.py makes, ended at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.process import Process


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a process on this test's database; the one before it must have been killed."""
    started: list[Process] = []

    def begin(tasks: Any, **more: Any) -> Process:
        process = Process(tmp_path, tasks, **more)
        started.append(process)
        process.start()
        return process

    yield begin
    for process in started:
        if not process.own.loop.is_closed():
            process.kill()
