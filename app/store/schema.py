"""The tables. Times are seconds since 1970 (UTC); JSON is kept as text, as it was accepted.

A change here needs a migration in app/store/migrations, and the database that the last release made is its test.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Float, MetaData, Table, and_, text
from sqlalchemy import Index as AnyIndex
from sqlalchemy import Integer as Number
from sqlalchemy import Text as Words

metadata = MetaData()

# Words in the order of their bytes, as SQLite has them: PostgreSQL's usual order depends on the system's language, and
# costs more. Whole numbers of 64 bits, as SQLite's are; there "INTEGER" alone makes a primary key the row's own number.
Text = Words().with_variant(Words(collation="C"), "postgresql")
Integer = BigInteger().with_variant(Number(), "sqlite")


def Index(name: str, *columns: Column[Any], where: ColumnElement[bool], unique: bool = False) -> AnyIndex:  # noqa: N802
    """An index of those rows alone for which this holds."""
    holds = and_(where)  # SQLite compares with a number: `parked = 1`
    return AnyIndex(name, *columns, unique=unique, sqlite_where=holds, postgresql_where=holds)


rooms = Table(
    "rooms",
    metadata,
    Column("name", Text, primary_key=True),
    # The room's `seq` before the messages that are still there: written when retention removes messages.
    Column("seq", Integer, nullable=False),
    # Of several web processes: the one that holds the room, and how often it has changed hands (docs/adr/0002).
    Column("owner", Text),
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("tasks", Text),  # those that its people switched on or off, as JSON
)

messages = Table(
    "messages",
    metadata,
    Column("room", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("key", Text),  # the sender's idempotency key; only user messages have one
    Column("sender_id", Text, nullable=False),
    Column("sender_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("data", Text),
    Column("upload", Text),
    Column("job", Text),
    Column("at", Float, nullable=False),
)
Index(
    "message_key", messages.c.room, messages.c.sender_id, messages.c.key, unique=True, where=messages.c.key.is_not(None)
)
# SQLite has its rows in the order in which they were stored.
AnyIndex("message_at", messages.c.at).ddl_if(dialect="postgresql")

jobs = Table(
    "jobs",
    metadata,
    Column("n", Integer, primary_key=True),  # the order in which jobs were accepted
    Column("id", Text, nullable=False, unique=True),
    Column("room", Text, nullable=False),
    Column("key", Text),  # the asker's idempotency key; only jobs on request have one
    Column("sender_id", Text),
    Column("sender_name", Text),
    Column("task", Text, nullable=False),
    Column("args", Text, nullable=False),  # all the task needs, context included
    Column("asked", Text),  # what the asker sent, to know a resend from other content
    Column("path", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # the last attempt there may be
    Column("deaths", Integer, nullable=False),  # runs of it that were announced and never ended
    Column("run", Text),  # those announced of the attempt: app/jobs/runs.py
    Column("published", Integer, nullable=False),  # the newest attempt the broker is known to have
    Column("stream_seq", Integer),  # where on the stream of jobs it is
    Column(
        "parked", Boolean, nullable=False
    ),  # it waits (at the broker, or to be due), and no process holds it in memory
    Column("owner", Text),  # the process that holds its room, and since which epoch: see docs/adr/0002
    Column("epoch", Integer),
    Column("message", Integer),  # seq of the message it belongs to
    Column("at", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("ms", Float),  # how long the last run took
    Column("due", Float),  # when the next attempt may start; of one that is `accepted`: it was delayed until then
    Column("deadline", Float, nullable=False),
    Column("progress", Text),
    Column("result", Text),
    Column("error", Text),
    Column("errors", Text),  # of the attempts before
    Column("delivered", Boolean, nullable=False),
    Column("dead", Boolean, nullable=False),  # a dead letter until replayed or dropped
    # The room's seq when it last changed; null while that is the message's own, by which it is found anyway.
    Column("changed", Integer),
    Column("callback", Text),  # where its outcome is sent
    # What people have seen of its text, in attempts that are over: of the running one `pieces` has it.
    Column("text", Text),
    Column("replaces", Text),  # the job that it was asked for in place of
    Column("replaces_seq", Integer),  # the message that that one wrote
)
Index("job_key", jobs.c.room, jobs.c.sender_id, jobs.c.key, unique=True, where=jobs.c.key.is_not(None))
Index("job_message", jobs.c.room, jobs.c.message, where=jobs.c.message.is_not(None))
Index("job_changed", jobs.c.room, jobs.c.changed, where=jobs.c.changed.is_not(None))
Index("job_dead", jobs.c.n, where=jobs.c.dead)
# Only jobs that wait at the broker for longer than a second are parked: the others pay nothing for these.
Index("job_parked", jobs.c.room, jobs.c.task, jobs.c.n, where=jobs.c.parked)
Index("job_parked_deadline", jobs.c.deadline, where=jobs.c.parked)
Index("job_due", jobs.c.due, where=jobs.c.due.is_not(None))  # few: those to be tried again, and the delayed ones
Index("job_parked_place", jobs.c.stream_seq, where=jobs.c.parked)

# A SQLite file has one process, which looks from a mark on (below), and pays for no index that changes with each job.
Index("job_unfinished", jobs.c.room, where=~jobs.c.delivered).ddl_if(dialect="postgresql")

pieces = Table(
    "pieces",  # of the texts of running attempts
    metadata,
    # Microseconds since 1970, and never less than that of a piece before it: first in the key, so that what fifty texts
    # grow by at a time fills one page of a SQLite file, and not one page each.
    Column("written", BigInteger, primary_key=True),
    Column("n", Integer, primary_key=True),  # of the job
    Column("place", Integer, primary_key=True),  # its offset in code points
    Column("attempt", Integer, nullable=False),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)
# A SQLite file has one process, which asks for pieces of a job only at its start.
AnyIndex("piece_job", pieces.c.n).ddl_if(dialect="postgresql")

marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),  # "unfinished": no job below this n is unfinished, but for parked ones
    Column("n", Integer, nullable=False),
)

letters = Table(
    "letters",  # dead letters that are no job of ours: what could not be read, and what the broker says
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("at", Float, nullable=False),
)

callbacks = Table(
    "callbacks",  # outcomes on their way to whoever asked to be called back
    metadata,
    Column("id", Text, primary_key=True),  # JOB.ATTEMPT
    Column("job", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("task", Text, nullable=False),
    Column("room", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("seconds", Float, nullable=False),  # how long the run took
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False),  # of the URL
    Column("body", Text, nullable=False),  # the same at each try
    Column("since", Float, nullable=False),  # when it was first to be tried, or was replayed
    Column("tries", Integer, nullable=False),
    Column("due", Float),  # of the next try; null: none is made any more, it is a dead letter
    Column("error", Text),  # of the last try
)
Index("callback_due", callbacks.c.due, callbacks.c.host, callbacks.c.id, where=callbacks.c.due.is_not(None))
Index("callback_dead", callbacks.c.since, where=callbacks.c.due.is_(None))

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("room", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("used", Boolean, nullable=False),  # a message shows it, or a job was asked for with it
)
Index("upload_unused", uploads.c.at, where=~uploads.c.used)

flags = Table(
    "flags",
    metadata,
    Column("task", Text, primary_key=True),  # or * for all
    Column("path", Text, nullable=False),
    Column("percent", Integer, nullable=False),
)

controls = Table(
    "controls",  # what operators set of tasks and lanes
    metadata,
    Column("kind", Text, primary_key=True),  # task or lane
    Column("name", Text, primary_key=True),
    Column("paused", Boolean, nullable=False),
    Column("since", Float, nullable=False),  # when it was paused last; 0: never
    Column("retries", Text),  # of a task, as JSON: how failures are tried again
)

shares = Table(
    "shares",  # of the `max_inflight` of tasks, where several web processes share this database
    metadata,
    Column("task", Text, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("inflight", Integer, nullable=False),  # attempts that it may have under way
    Column("wanted", Integer, nullable=False),  # how many more it would have
)

starts = Table(
    "starts",  # of tasks with a `rate`, where several web processes share this database
    metadata,
    Column("task", Text, primary_key=True),
    Column("due", Float, nullable=False),  # when the next attempt may start
)

processes = Table(
    "processes",  # web processes that share this database
    metadata,
    Column("id", Text, primary_key=True),
    Column("address", Text, nullable=False),  # where the others reach it
    Column("since", Float, nullable=False),
    Column("seen", Float, nullable=False),  # when it last said that it lives
    Column("draining", Boolean, nullable=False),
)
