"""What operators set of tasks and lanes, and how web processes share the limits of a task."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = """
CREATE TABLE controls (
    kind TEXT NOT NULL, name TEXT NOT NULL, paused BOOLEAN NOT NULL, since FLOAT NOT NULL, retries TEXT,
    PRIMARY KEY (kind, name));
CREATE TABLE shares (
    task TEXT NOT NULL, process TEXT NOT NULL, inflight INTEGER NOT NULL, wanted INTEGER NOT NULL,
    PRIMARY KEY (task, process));
CREATE TABLE starts (task TEXT NOT NULL, due FLOAT NOT NULL, PRIMARY KEY (task))
"""


def upgrade() -> None:
    """Add them: no row is touched."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
