"""A task with a rate, asked for at three web processes at once under load: it keeps to it, and every job runs once."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from app.compare.system import System, checkout_with
from tests.cluster import running
from tests.faults.load import Crowd
from tests.faults.several import Several

RATE = 20  # starts a second
MORE = 0.25  # of a second's starts may be with the broker, and begin at once
JOBS_EACH = 30
PACED = f'''"""Notes when it began."""

import time

from app.tasks import task


@task(rate={RATE}, runs=("request",))
def paced(book: str) -> dict[str, float]:
    """Note the time"""
    at = time.time()
    with open(book, "a") as file:
        file.write(f"{{at}}\\n")
    return {{"at": at}}
'''


@contextlib.contextmanager
def on_three(settings: dict[str, Any]) -> Iterator[System]:
    """Three web processes that know the task."""
    with tempfile.TemporaryDirectory() as folder, running() as cluster:
        root = checkout_with({"paced": PACED}, Path(folder))
        with Several(cluster.database(), root=root, **settings) as system:
            system.book = Path(folder) / "book"  # type: ignore[attr-defined]  # for what asks
            yield system


async def ask_for_many(crowd: Crowd, _: Random) -> None:
    """Everybody asks for many at once; raises AssertionError where they did not start as they should."""
    book: Path = crowd.system.book  # type: ignore[attr-defined]  # as above
    begun = len(starts(book))
    asked = await asyncio.gather(*(_ask(person, book) for person in crowd.people for _ in range(JOBS_EACH)))
    while len(starts(book)) < begun + len(asked):
        await asyncio.sleep(0.1)
    new = starts(book)[begun:]
    assert len(new) == len(asked), f"{len(asked)} jobs ran {len(new)} times"
    most, allowed = most_in_a_second(new), RATE + int(RATE * MORE) + 1
    assert most <= allowed, f"{most} began within a second, allowed are {allowed}"
    took, least = new[-1] - new[0], len(new) / RATE * 0.9
    assert took >= least, f"{len(new)} began within {took:.1f} s"


async def _ask(person: Any, book: Path) -> dict[str, Any]:
    ask = partial(person.request_job, "paced", {"book": str(book)})
    return dict(await person.send_until_acknowledged(ask))


def starts(book: Path) -> list[float]:
    """When runs began, in order."""
    return sorted(float(line) for line in book.read_text().splitlines()) if book.exists() else []


def most_in_a_second(times: list[float]) -> int:
    """The most of these, in order, within any second."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
