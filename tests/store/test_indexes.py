"""What is asked all the time is found by an index: the time it takes must not grow with what was there before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.schema import CreateIndex, CreateTable

from app.callbacks import kept
from app.chat import reading
from app.jobs import dead_letters, ledger
from app.store.schema import jobs, messages, metadata
from app.store.sqlite import SQL
from app.store.statements import JOB_COLUMNS, MESSAGE_COLUMNS

QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "unfinished jobs": ledger.unfinished,
    "places of parked jobs": lambda c: ledger.parked_places(c, ["triage", "answer"]),
    "parked jobs past their deadline": lambda c: ledger.overdue_parked(c, time.time()),
    "the parked job at a place of the stream": lambda c: ledger.parked_at(c, 7),
    "parked jobs by path": ledger.parked_by_path,
    "delayed jobs that are due": lambda c: ledger.due_by(c, time.time()),
    "when the next delayed job is due": ledger.next_due,
    "whether the broker has a job": ledger.is_any_at_broker,
    "a callback to try": lambda c: kept.next_to_try(c, time.time(), ["a", "b"], ["c"]),
    "when the next callback is due": lambda c: kept.next_due(c, ["a"], []),
    "callbacks that were given up": lambda c: kept.dead(c, None, 10),
    "a job": lambda c: ledger.find(c, "id"),
    "jobs by ID": lambda c: ledger.find_all(c, ["a", "b"]),
    "jobs by minute": lambda c: ledger.by_minute(c, time.time() - 60),
    "jobs of messages": lambda c: ledger.of_messages(c, "lobby", 1, 2, ["a", "b"], 100),
    "parked jobs of a room": lambda c: ledger.parked_of(c, "lobby", 0, 100),
    "the place of a job": lambda c: ledger.place_of(c, "lobby", "id"),
    "dead letters": dead_letters.count,
    "the first page": lambda c: reading.page(c, "lobby", None),
    "the page of somebody who comes back": lambda c: reading.page(c, "lobby", 20),
    "older messages": lambda c: reading.older(c, "lobby", 40, 20),
    "further jobs": lambda c: reading.further_jobs(c, "lobby", "id-7"),
    "how far a room has counted": lambda c: reading.newest_seq(c, "lobby"),
    "who wrote last": lambda c: reading.newest_by_people(c, 10),
    "a message by its key": lambda c: c.exec_driver_sql(reading.FIND_BY_KEY, ("lobby", "ann", "k")).first(),
    "a job by its key": lambda c: c.exec_driver_sql(ledger.FIND_BY_KEY, ("lobby", "ann", "k")).first(),
}
# These walk through rows on purpose: along the primary key, from a place near its end, until they have enough.
IN_ORDER = {"the newest first": lambda c: ledger.newest(c, 10)}


@pytest.fixture(scope="module", params=[False, True], ids=["by name", "the other way round"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A database whose indexes were made in this order: between those that look alike SQLite takes the newest."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for table in (jobs, messages):
            connection.execute(CreateTable(table))
            for index in sorted(table.indexes, key=lambda index: str(index.name), reverse=request.param):
                connection.execute(CreateIndex(index))
        metadata.create_all(connection)
        _fill(connection)
        yield connection
    engine.dispose()


def _fill(connection: Connection) -> None:
    """A room of 60 messages, each with a job."""
    for seq in range(1, 61):
        message = {"room": "lobby", "seq": seq, "id": f"m-{seq}", "sender_id": "ann", "sender_name": "Ann"}
        rest = dict.fromkeys(set(MESSAGE_COLUMNS) - set(message)) | {"kind": "user", "text": "hello", "at": 0.0}
        connection.execute(messages.insert().values(**message, **rest))
        job = {"n": seq, "id": f"id-{seq}", "room": "lobby", "task": "triage", "args": "{}", "path": "simple"}
        numbers = {"attempt": 1, "attempts": 1, "deaths": 0, "published": 0, "at": 0.0, "deadline": 0.0}
        flags = {"state": "succeeded", "message": seq, "delivered": True, "dead": False, "parked": False}
        known = {**job, **numbers, **flags}
        connection.execute(jobs.insert().values(**dict.fromkeys(JOB_COLUMNS) | known))


def plans(connection: Connection, question: Callable[[Connection], Any]) -> list[str]:
    """How SQLite answers each statement of a question."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, sql: str, values: Any, ___: Any, ____: Any) -> None:
        asked.append((sql, values))

    event.listen(connection, "before_cursor_execute", note)
    question(connection)
    event.remove(connection, "before_cursor_execute", note)
    return [
        str(row[3]) for sql, values in asked for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
    ]


def _walks(step: str) -> bool:
    """Whether a step looks at every job or message there ever was: not if its index has only parked or dead ones."""
    if not step.startswith(("SCAN jobs", "SCAN messages", "SCAN callbacks")):
        return False
    return not any(small in step for small in ("job_parked", "job_dead", "job_due", "callback_due", "callback_dead"))


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_walks_through_everything(connection: Connection, question: str) -> None:
    walks = [step for step in plans(connection, QUESTIONS[question]) if _walks(step)]
    if question == "who wrote last":  # from the newest on, and no further than it must
        walks = [step for step in walks if step != "SCAN messages"]
    assert not walks


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_looks_at_all_jobs_of_a_room(connection: Connection, question: str) -> None:
    wide = [step for step in plans(connection, QUESTIONS[question]) if step.endswith("(room=?)") and "jobs" in step]
    assert not [step for step in wide if "job_parked" not in step]


@pytest.mark.parametrize("name", [name for name in SQL if SQL[name].startswith("UPDATE")])
def test_what_the_hot_path_changes_is_found_by_the_primary_key(connection: Connection, name: str) -> None:
    statement = SQL[name]
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
    assert [row[3] for row in plan] in (
        ["SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"],
        ["SEARCH uploads USING INDEX sqlite_autoindex_uploads_1 (id=?)"],
    )


@pytest.mark.parametrize("question", IN_ORDER)
def test_lists_are_read_in_the_order_in_which_they_lie(connection: Connection, question: str) -> None:
    assert plans(connection, IN_ORDER[question]) == ["SCAN jobs"]
