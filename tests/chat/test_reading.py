"""Who comes back gets all they have missed, each message and each final job, in however many pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool, StaticPool

from app.chat import reading
from app.jobs.job import Job
from app.store.schema import jobs, messages, metadata, rooms
from app.store.statements import MESSAGE_COLUMNS


@contextmanager
def database() -> Iterator[Connection]:
    """An empty one, in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def connection(either: str) -> Iterator[Connection]:
    """An empty database of each kind."""
    engine = create_engine(either.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def say(connection: Connection, count: int, room: str = "lobby", first: int = 1) -> None:
    """So many messages."""
    known = {"room": room, "sender_id": "ann", "sender_name": "Ann", "kind": "user", "text": "hello", "at": 0.0}
    rows = [
        dict.fromkeys(MESSAGE_COLUMNS) | known | {"seq": seq, "id": f"{room}-{seq}"}
        for seq in range(first, first + count)
    ]
    if rows:
        connection.execute(messages.insert(), rows)


def add(connection: Connection, *given: Job) -> None:
    """Jobs in the ledger."""
    rows = [{name: getattr(job, name) for name in Job.__struct_fields__} for job in given]
    if rows:
        connection.execute(jobs.insert(), rows)


def done(n: int, message: int | None, changed: int | None = None, **more: Any) -> Job:
    """A job that was delivered."""
    known = {"room": "lobby", "task": "t", "args": "{}", "path": "simple", "attempts": 1, "at": 0.0, "deadline": 0.0}
    state = {"state": "succeeded", "delivered": True}
    return Job(n=n, id=f"j{n}", message=message, changed=changed, **{**known, **state, **more})


def come_back(connection: Connection, after: int) -> tuple[list[int], set[int], int]:
    """Join again and again, as clients do: messages and jobs that arrived, and the number of pages."""
    seqs, seen, pages = list[int](), set[int](), 0
    while True:
        page = reading.page(connection, "lobby", after, continued=pages > 0)
        pages += 1
        assert pages < 50
        seqs += [message.seq for message in page.messages]
        seen |= {job.n for job in page.jobs}
        assert not page.reset
        assert len(page.jobs) <= reading.JOBS_PAGE
        last, more_jobs = max(page.jobs, key=lambda job: job.n, default=None), page.more_jobs
        while more_jobs and last is not None:
            further = reading.further_jobs(connection, "lobby", last.id)
            assert further is not None
            theirs, more_jobs = further
            seen |= {job.n for job in theirs}
            last = theirs[-1] if theirs else None
        if not page.more:
            break
        assert page.messages, "a page with more behind it brings its client on"
        after = page.messages[-1].seq
    return seqs, seen, pages


def test_a_room_nobody_spoke_in_is_empty(connection: Connection) -> None:
    page = reading.page(connection, "lobby", None)
    assert page == reading.Page(0, [], [])


def test_who_joins_for_the_first_time_sees_the_newest_with_their_jobs(connection: Connection) -> None:
    say(connection, 60)
    add(connection, done(1, 5), done(2, 20), done(3, None, 30), done(4, 59, 60))
    page = reading.page(connection, "lobby", None)
    assert [message.seq for message in page.messages] == list(range(11, 61))
    assert {job.n for job in page.jobs} == {2, 4}
    assert (page.more, page.reset) == (False, False)


def test_who_comes_back_gets_what_changed_since_wherever_it_belongs(connection: Connection) -> None:
    say(connection, 20)
    add(connection, done(1, 3), done(2, 3, 12), done(3, 15), done(4, None, 9), done(5, None, 17), done(6, 20))
    assert come_back(connection, 10) == (list(range(11, 21)), {2, 3, 5, 6}, 1)


def test_many_messages_come_in_pages(connection: Connection) -> None:
    say(connection, reading.PAGE * 2 + 10)
    seqs, _, pages = come_back(connection, 5)
    assert seqs == list(range(6, reading.PAGE * 2 + 11))
    assert pages == 3


def test_many_jobs_come_in_pages_and_none_is_lost(connection: Connection) -> None:
    say(connection, 700)
    add(connection, *(done(n, 1 + n // 5) for n in range(1, 3000)))
    seqs, seen, _ = come_back(connection, 0)
    assert seqs == list(range(1, 701))
    assert seen == set(range(1, 3000))


def test_many_jobs_that_changed_at_one_message_are_asked_for_besides(connection: Connection) -> None:
    say(connection, 3)
    count = reading.JOBS_PAGE * 2 + 5
    add(connection, *(done(n, 1, 3) for n in range(1, count + 1)))
    seqs, seen, _ = come_back(connection, 2)
    assert seqs == [3]
    assert seen == set(range(1, count + 1))
    say(connection, 10, first=4)
    seqs, seen, _ = come_back(connection, 1)
    assert seqs == list(range(2, 14))
    assert seen == set(range(1, count + 1))


def test_jobs_that_wait_at_the_broker_are_there(connection: Connection) -> None:
    say(connection, reading.PAGE + 1)
    waiting: dict[str, Any] = {"state": "accepted", "delivered": False, "parked": True, "path": "queued"}
    add(connection, *(done(n, 1, **waiting) for n in range(1, 1500)))
    _, seen, _ = come_back(connection, 0)
    assert seen == set(range(1, 1500))


@pytest.mark.parametrize("after", [7, 100], ids=["removed meanwhile", "from another database"])
def test_a_client_whose_messages_do_not_fit_any_more_starts_anew(connection: Connection, after: int) -> None:
    say(connection, 20, first=30)
    connection.execute(rooms.insert().values(name="lobby", seq=29))
    page = reading.page(connection, "lobby", after)
    assert page.reset
    assert [message.seq for message in page.messages] == list(range(30, 50))


def test_a_client_that_has_all_of_a_room_whose_messages_were_removed_has_missed_nothing(connection: Connection) -> None:
    connection.execute(rooms.insert().values(name="lobby", seq=29))
    page = reading.page(connection, "lobby", 29)
    assert (page.seq, page.messages, page.reset) == (29, [], False)


def test_further_jobs_of_another_room_are_not_told(connection: Connection) -> None:
    add(connection, done(1, None, 1, room="other"))
    assert reading.further_jobs(connection, "lobby", "j1") is None
    assert reading.further_jobs(connection, "lobby", "nothing") is None


places = st.integers(1, 12)


@settings(max_examples=150, deadline=None)
@given(
    theirs=st.lists(st.tuples(st.one_of(st.none(), places), places), max_size=40),
    after=st.integers(0, 12),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 6)),
)
def test_nothing_is_missed_whatever_the_sizes_of_pages(
    theirs: list[tuple[int | None, int]], after: int, sizes: tuple[int, int]
) -> None:
    """A job last changed at its message, or later; who has seen message `after` gets each that changed since."""
    with pytest.MonkeyPatch.context() as patch, database() as connection:
        patch.setattr(reading, "PAGE", sizes[0])
        patch.setattr(reading, "JOBS_PAGE", sizes[1])
        say(connection, 12)
        made = [
            done(n, message, changed if message is None or changed > message else None)
            for n, (message, changed) in enumerate(theirs, 1)
        ]
        add(connection, *made)
        seqs, seen, _ = come_back(connection, after)
    assert seqs == list(range(after + 1, 13))
    assert seen >= {job.n for job in made if (job.changed or job.message or 0) >= max(after, 1)}
