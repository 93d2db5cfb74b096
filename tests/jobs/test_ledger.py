"""The ledger's own questions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from app import messages
from app.jobs import ledger
from app.jobs.job import Job, view
from app.messages import Person
from tests.jobs.conftest import NOW

Accept = Callable[..., Job]


def test_unfinished_jobs_come_in_the_order_of_acceptance(connection: Connection, accept: Accept) -> None:
    accepted = [accept() for _ in range(5)]
    ledger.change(connection, accepted[1], state="succeeded", delivered=True)
    assert [job.id for job in ledger.unfinished(connection)] == [job.id for job in accepted if job != accepted[1]]


def test_only_the_wanted_attempt_starts(connection: Connection, accept: Accept) -> None:
    job = accept()
    assert ledger.start(connection, job.id, 2, NOW) is None
    started = ledger.start(connection, job.id, 1, NOW)
    assert started is not None
    assert (started.state, started.started) == ("running", NOW)
    ledger.change(connection, job, state="cancelled")
    assert ledger.start(connection, job.id, 1, NOW) is None


def test_what_the_broker_has_is_known_with_its_place_until_it_has_ended(connection: Connection, accept: Accept) -> None:
    jobs = [accept() for _ in range(3)]
    ledger.change(connection, jobs[2], state="cancelled")

    ledger.published(connection, [(job.id, job.attempt, 10 + number) for number, job in enumerate(jobs)])

    stored = {job.id: job.published for job in ledger.find_all(connection, [job.id for job in jobs])}
    assert [stored[job.id] for job in jobs] == [1, 1, 0]
    assert [ledger.at_stream_seq(connection, 10 + number) is not None for number in range(3)] == [True, True, False]


def test_a_key_holds_once_for_a_person_and_a_room(connection: Connection, accept: Accept) -> None:
    job = accept(key="k")
    assert ledger.find_by_key(connection, "lobby", "ann", "k") == job
    assert ledger.find_by_key(connection, "lobby", "ben", "k") is None
    assert ledger.find_by_key(connection, "other", "ann", "k") is None
    with pytest.raises(IntegrityError):
        accept(key="k")


def test_jobs_past_their_deadline_are_found(connection: Connection, accept: Accept) -> None:
    job = accept()
    assert ledger.overdue(connection, job.deadline - 1) == []
    assert [each.id for each in ledger.overdue(connection, job.deadline + 1)] == [job.id]
    ledger.change(connection, job, state="failed")
    assert ledger.overdue(connection, job.deadline + 1) == []


def test_a_change_remembers_the_rooms_newest_message(connection: Connection, accept: Accept) -> None:
    job = accept()
    for key in "abc":
        messages.add_from_user(connection, Person("ann", "Ann"), "lobby", key, key, None, NOW)
    ledger.change(connection, job, state="succeeded", delivered=True)
    assert [each.id for each in ledger.for_join(connection, "lobby", [], 3)] == [job.id]
    assert ledger.for_join(connection, "lobby", [], 4) == []
    assert ledger.for_join(connection, "lobby", [], None) == []


def test_an_outcome_that_waits_for_its_turn_is_not_shown(accept: Accept, connection: Connection) -> None:
    job = ledger.change(connection, accept(), state="succeeded", result='{"text":"x"}', ms=1.0)
    assert view(job)["state"] == "running"
    assert "result" not in view(job)
    shown = view(ledger.change(connection, job, delivered=True))
    assert (shown["state"], shown["result"]) == ("succeeded", {"text": "x"})


def test_news_of_a_run_is_news_once(connection: Connection, accept: Accept) -> None:
    job = accept()
    assert ledger.note_running(connection, job.id, 1, None, NOW) is not None
    assert ledger.note_running(connection, job.id, 1, None, NOW) is None
    assert ledger.note_running(connection, job.id, 1, '{"done":1}', NOW) is not None
    assert ledger.note_running(connection, job.id, 2, None, NOW) is None
