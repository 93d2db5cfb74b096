"""A database in memory, a few tasks, and jobs in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from app.ids import new_id
from app.jobs import ledger
from app.jobs.job import Job
from app.store.tables import metadata
from app.tasks import Said, Task, task

NOW = 1_000_000.0


@task(attempts=3, deadline=900, says=lambda result: Said(result["text"]) if result["text"] else None)
def echo(text: str) -> dict[str, str]:
    """Says it again"""
    return {"text": text}


@task(after="echo")
def shadow(echo: dict[str, str]) -> dict[str, str]:
    """Follows echo"""
    return echo


@pytest.fixture
def tasks() -> Mapping[str, Task]:
    return {"echo": echo, "shadow": shadow}


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def accept(connection: Connection) -> Callable[..., Job]:
    """Puts a job into the ledger."""

    def put(room: str = "lobby", task: Task = echo, path: str = "simple", **values: Any) -> Job:
        job = Job(
            id=new_id(),
            room=room,
            sender_id="ann",
            sender_name="Ann",
            task=task.name,
            args='{"text":"hi"}',
            path=path,
            attempts=task.attempts,
            at=NOW,
            deadline=NOW + task.deadline,
            **values,
        )
        ledger.add(connection, [job])
        found = ledger.find(connection, job.id)
        assert found
        return found

    return put
