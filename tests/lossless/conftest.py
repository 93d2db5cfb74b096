"""A copy of the repository with tasks that misbehave, served on both paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.compare.system import System, checkout_with
from tests.faults.parts import Broker
from tests.logs import assert_no_traceback
from tests.lossless.evidence import Gate

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


@task(attempts=3, ordered=True)
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

WAITS = '''"""Waits until somebody opens the gate, a file; notes each run that begins beside it."""

import os
import time

from app.tasks import task


@task(timeout=120, attempts={attempts}, ordered=True)
def {name}(gate: str, number: int = 0) -> dict[str, int]:
    """Wait at a gate"""
    with open(gate + ".begun", "a") as book:
        book.write(str(number) + " ")
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {{"number": number}}
'''
TASKS["patient"] = WAITS.format(name="patient", attempts=6)
TASKS["single"] = WAITS.format(name="single", attempts=1)
TASKS["narrow"] = WAITS.format(name="narrow", attempts=1).replace("ordered=True", "max_inflight=2, lane='narrow'")
TASKS["paced"] = '''"""Notes when it began."""

import time

from app.tasks import task


@task(rate=5)
def paced(book: str) -> dict[str, float]:
    """Note the time"""
    at = time.time()
    with open(book, "a") as file:
        file.write(str(at) + " ")
    return {"at": at}
'''
TASKS["bulky"] = '''"""Has much to say."""

from app.tasks import task


@task(attempts=1)
def bulky(megabytes: int) -> dict[str, str]:
    """Answer with so many megabytes"""
    return {"text": "x" * (megabytes << 20)}
'''
TASKS["fickle"] = '''"""Succeeds in the end."""

import os
import time

from app.tasks import task


class Away(Exception):
    """The model is away."""

    code = "model_away"
    retryable = True

    def __init__(self, again: float) -> None:
        super().__init__("not there")
        self.retry_after = again


@task(attempts=6, ordered=True)
def fickle(book: str, number: int, fails: int, again: float = 0.01) -> dict[str, int]:
    """Fail so many times, then succeed"""
    path = book + "." + str(number)
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) <= fails:
        raise Away(again)
    time.sleep(number % 3 * 0.02)
    return {"number": number}
'''


SETTINGS = {"RATE_LIMIT": "off", "ACK_WAIT": "1", "DRAIN_SECONDS": "2", "MAX_INFLIGHT": "4"}


@pytest.fixture(scope="session")
def copy(parts: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy."""
    return checkout_with(TASKS, tmp_path_factory.mktemp("lossless"))


@pytest.fixture
def broker(parts: None, tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own, on which it may publish and play the worker."""
    broker = Broker(tmp_path)
    yield broker
    broker.close()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """A gate, closed."""
    return Gate(tmp_path / "gate")


@pytest.fixture(scope="module")
def workshop(copy: Path, ml_url: str) -> Iterator[System]:
    """The copy, running."""
    with System(None, copy, True, None, ML_URL=ml_url, **SETTINGS) as system:
        yield system
        assert_no_traceback(system.log)


@pytest.fixture(params=["simple", "queued"])
def path(request: pytest.FixtureRequest, workshop: System) -> str:
    """Both paths."""
    workshop.flag(request.param)
    return str(request.param)
