"""What is asked all the time is found by an index: the time it takes must not grow with what was there before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.schema import CreateIndex, CreateTable

from app.jobs import ledger
from app.messages import Message
from app.store.tables import jobs, metadata

MESSAGES = [
    Message(room="lobby", seq=seq, id=str(seq), sender_id="Ann", sender_name="Ann", kind="user", text="Hello", at=0.0)
    for seq in range(1, 51)
]
QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "jobs past their deadline": lambda c: ledger.overdue(c, time.time()),
    "unfinished jobs": ledger.unfinished,
    "jobs under way": ledger.under_way,
    "jobs by minute": lambda c: ledger.by_minute(c, time.time() - 60),
    "jobs for somebody who joins": lambda c: ledger.for_join(c, "lobby", MESSAGES, None),
    "jobs for somebody who comes back": lambda c: ledger.for_join(c, "lobby", MESSAGES, 20),
    "jobs of messages": lambda c: ledger.of_messages(c, "lobby", MESSAGES),
    "jobs not shown yet": lambda c: ledger.undelivered(c, "lobby", "triage"),
    "the job at a place of the stream": lambda c: ledger.at_stream_seq(c, 7),
}


@pytest.fixture(params=[False, True], ids=["by name", "the other way round"])
def connection(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A database whose indexes were made in this order: between those that look alike SQLite takes the newest."""
    engine = create_engine(f"sqlite:///{tmp_path / 'jobs.db'}")
    with engine.connect() as connection:
        connection.execute(CreateTable(jobs))
        for index in sorted(jobs.indexes, key=lambda index: str(index.name), reverse=request.param):
            connection.execute(CreateIndex(index))
        metadata.create_all(connection)
        yield connection
    engine.dispose()


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_walks_through_every_job(connection: Connection, question: str) -> None:
    asked: list[tuple[str, Any]] = []
    event.listen(connection, "before_cursor_execute", lambda _c, _k, sql, values, _x, _m: asked.append((sql, values)))
    QUESTIONS[question](connection)
    ((sql, values),) = asked
    plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    walks = [step for step in plan if step.startswith("SCAN jobs") and "INDEX job_unfinished" not in step]
    wide = [step for step in plan if step.startswith("SEARCH jobs") and step.endswith("INDEX job_changed (room=?)")]
    assert not walks + wide, plan
