"""Operators find jobs by anything that can be said of them, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from app.jobs.job import Job
from app.jobs.search import Wanted, details, search
from app.store.schema import jobs
from app.store.store import Store
from tests.own_loop import OwnLoop

START = 1_790_000_000.0  # seconds since 1970
Find = Callable[..., list[str]]


def job(number: int, **values: Any) -> Job:
    """The job of this second."""
    at = START + number
    known = {"room": "clinic", "task": "triage", "path": "simple", "state": "succeeded", "delivered": True, **values}
    return Job(
        n=int(at * 1e6) << 10, id=f"{number:026}", args='{"text": "x"}', attempts=3, at=at, deadline=at + 900, **known
    )


JOBS = [
    job(0),
    job(1, room="ward", path="queued"),
    job(2, task="language", state="failed", error='{"code": "timeout", "message": "too slow"}', dead=True),
    job(3, state="running", delivered=False),
    job(4, state="succeeded", delivered=False, result="{}"),  # it waits for its turn
    job(5, state="failed", error='{"code": "model_refused", "message": "no", "traceback": "line 7"}'),
]


@pytest.fixture
def find(own: OwnLoop, either: str) -> Iterator[Find]:
    """Finds among these jobs."""
    store = Store(either, own)
    rows = [msgspec.structs.asdict(each) for each in JOBS]
    own.run(store.change(lambda connection: connection.execute(insert(jobs), rows)))

    def numbers(limit: int = 100, **wanted: Any) -> list[str]:
        found = own.run(store.read(lambda connection: search(connection, Wanted(**wanted), limit)))
        assert found is not None
        shown, more = found
        return [str(int(each.id)) for each in shown] + (["more"] if more else [])

    yield numbers
    own.run(store.close())


def test_they_are_chosen_by_each_of_it_and_by_all_of_it(find: Find) -> None:
    assert find() == ["5", "4", "3", "2", "1", "0"]
    assert find(room="ward") == find(path="queued") == ["1"]
    assert find(task="language") == find(error="timeout") == ["2"]
    assert find(state="failed") == ["5", "2"]
    assert find(state="failed", task="triage", error="model_refused", room="clinic", path="simple") == ["5"]
    assert find(state="failed", room="ward") == []
    assert find(since=START + 3) == ["5", "4", "3"]
    assert find(before=START + 2) == ["1", "0"]
    assert find(since=START + 1, before=START + 3, task="triage") == ["1"]


def test_an_outcome_that_waits_for_its_turn_counts_as_running(find: Find) -> None:
    assert find(state="running") == ["4", "3"]
    assert find(state="succeeded") == ["1", "0"]


def test_one_page_follows_the_other_without_a_gap(find: Find) -> None:
    assert find(limit=2) == ["5", "4", "more"]
    assert find(limit=2, before_id=JOBS[4].id) == ["3", "2", "more"]
    assert find(limit=2, before_id=JOBS[2].id) == ["1", "0"]


def test_everything_kept_of_a_job_is_told(find: Find) -> None:
    known = details(JOBS[5])
    assert known["args"] == {"text": "x"}
    assert known["error"] == {"code": "model_refused", "message": "no"}
    assert known["traceback"] == "line 7"
    assert known["trace"].startswith("00-")
