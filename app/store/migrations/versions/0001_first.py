"""The tables as they were before there were migrations (user_version 1)."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE rooms (name TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE messages (
    room TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, key TEXT, sender_id TEXT NOT NULL,
    sender_name TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, data TEXT, upload TEXT, job TEXT,
    at FLOAT NOT NULL, PRIMARY KEY (room, seq));
CREATE TABLE jobs (
    n INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, room TEXT NOT NULL, key TEXT, sender_id TEXT,
    sender_name TEXT, task TEXT NOT NULL, args TEXT NOT NULL, asked TEXT, path TEXT NOT NULL, state TEXT NOT NULL,
    attempt INTEGER NOT NULL, attempts INTEGER NOT NULL, published INTEGER NOT NULL, stream_seq INTEGER,
    message INTEGER, at FLOAT NOT NULL, started FLOAT, finished FLOAT, ms FLOAT, due FLOAT, deadline FLOAT NOT NULL,
    progress TEXT, result TEXT, error TEXT, errors TEXT, delivered BOOLEAN NOT NULL, dead BOOLEAN NOT NULL,
    changed INTEGER NOT NULL, trace TEXT);
CREATE TABLE letters (
    id TEXT NOT NULL PRIMARY KEY, subject TEXT NOT NULL, payload TEXT NOT NULL, error TEXT NOT NULL,
    at FLOAT NOT NULL);
CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY, room TEXT NOT NULL, type TEXT NOT NULL, bytes INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, at FLOAT NOT NULL);
CREATE TABLE flags (task TEXT NOT NULL PRIMARY KEY, path TEXT NOT NULL, percent INTEGER NOT NULL);
"""


def upgrade() -> None:
    """Make them."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
