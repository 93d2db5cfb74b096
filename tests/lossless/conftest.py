"""A copy of the repository with tasks that misbehave, served on both paths."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.drive.system import ROOT, System

TASKS = {
    "deadly": '''"""Kills whoever runs it."""

import os
import signal

from app.tasks import task


@task
def deadly() -> dict[str, int]:
    """Kill the process that runs this"""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
''',
    "sleepy": '''"""Takes its time."""

import time

from app.tasks import task


@task(timeout=60)
def sleepy(seconds: float) -> dict[str, float]:
    """Sleep for so many seconds"""
    time.sleep(seconds)
    return {"slept": seconds}
''',
    "moody": '''"""Fails as it is told."""

from app.tasks import task


class Away(Exception):
    """The model is away."""

    code = "model_away"
    retryable = True
    retry_after = 0.01


@task(attempts=3)
def moody(mood: str) -> dict[str, str]:
    """Fail in a mood"""
    if mood == "away":
        raise Away("not there")
    if mood == "broken":
        raise ValueError("no use")
    if mood == "wrong":
        return {"mood": 1}  # type: ignore[dict-item]  # on purpose
    return {"mood": mood}
''',
}


@pytest.fixture(scope="session")
def copy(parts: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy."""
    target = tmp_path_factory.mktemp("lossless") / "copy"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"
    )
    shutil.copytree(ROOT, target, ignore=ignored)
    for name, source in TASKS.items():
        (target / "app" / "tasks" / f"{name}.py").write_text(source)
    return target


@pytest.fixture(scope="module")
def workshop(copy: Path) -> Iterator[System]:
    """The copy, running."""
    with System(root=copy, RATE_LIMIT="off", ACK_WAIT="1", DRAIN_SECONDS="2") as system:
        yield system


@pytest.fixture(params=["simple", "queued"])
def path(request: pytest.FixtureRequest, workshop: System) -> str:
    """Both paths."""
    workshop.flag(request.param)
    return str(request.param)
