"""Who holds a room, and which web processes there are: for several on one PostgreSQL database."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = """
ALTER TABLE rooms ADD COLUMN owner TEXT;
ALTER TABLE rooms ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
CREATE TABLE processes (
    id TEXT NOT NULL PRIMARY KEY, address TEXT NOT NULL, since FLOAT NOT NULL, seen FLOAT NOT NULL,
    draining BOOLEAN NOT NULL)
"""


def upgrade() -> None:
    """Add them: no row is touched. PostgreSQL databases begin here, and SQLite's alone are older."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
