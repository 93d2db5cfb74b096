"""Fewer indexes on the hot path, and what a job's life is counted in: deaths, runs, parking, owner and epoch.

Tables are made anew and filled, because SQLite cannot drop the unique constraints that lie on columns.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = """
CREATE TABLE new_messages (
    room TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, key TEXT, sender_id TEXT NOT NULL,
    sender_name TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, data TEXT, upload TEXT, job TEXT,
    at FLOAT NOT NULL, PRIMARY KEY (room, seq));
INSERT INTO new_messages (room, seq, id, key, sender_id, sender_name, kind, text, data, upload, job, at)
    SELECT room, seq, id, key, sender_id, sender_name, kind, text, data, upload, job, at FROM messages ORDER BY at, seq;
DROP TABLE messages;
ALTER TABLE new_messages RENAME TO messages;
CREATE UNIQUE INDEX message_key ON messages (room, sender_id, key) WHERE key IS NOT NULL;
CREATE TABLE new_jobs (
    n INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, room TEXT NOT NULL, key TEXT, sender_id TEXT,
    sender_name TEXT, task TEXT NOT NULL, args TEXT NOT NULL, asked TEXT, path TEXT NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL, attempts INTEGER NOT NULL, deaths INTEGER NOT NULL, run TEXT,
    published INTEGER NOT NULL, stream_seq INTEGER, parked BOOLEAN NOT NULL, owner TEXT, epoch INTEGER,
    message INTEGER, at FLOAT NOT NULL, started FLOAT, finished FLOAT, ms FLOAT, due FLOAT, deadline FLOAT NOT NULL,
    progress TEXT, result TEXT, error TEXT, errors TEXT, delivered BOOLEAN NOT NULL, dead BOOLEAN NOT NULL,
    changed INTEGER);
INSERT INTO new_jobs (n, id, room, key, sender_id, sender_name, task, args, asked, path, state, attempt, attempts,
    deaths, published, stream_seq, parked, message, at, started, finished, ms, due, deadline, progress, result, error,
    errors, delivered, dead, changed)
    SELECT n, id, room, key, sender_id, sender_name, task, args, asked, path, state, attempt, attempts,
    0, published, stream_seq, 0, message, at, started, finished, ms, due, deadline, progress, result, error,
    errors, delivered, dead, changed FROM jobs ORDER BY n;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE UNIQUE INDEX job_key ON jobs (room, sender_id, key) WHERE key IS NOT NULL;
CREATE INDEX job_message ON jobs (room, message) WHERE message IS NOT NULL;
CREATE INDEX job_changed ON jobs (room, changed) WHERE changed IS NOT NULL;
CREATE INDEX job_dead ON jobs (n) WHERE dead = 1;
CREATE INDEX job_parked ON jobs (room, task, n) WHERE parked = 1;
CREATE INDEX job_parked_deadline ON jobs (deadline) WHERE parked = 1;
CREATE INDEX job_parked_place ON jobs (stream_seq) WHERE parked = 1;
CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL)
"""


def upgrade() -> None:
    """Make them anew, with every row."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
