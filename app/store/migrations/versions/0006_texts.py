"""Texts that grow while a job runs, and jobs that take the place of another."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = """
ALTER TABLE jobs ADD COLUMN text TEXT;
ALTER TABLE jobs ADD COLUMN replaces TEXT;
ALTER TABLE jobs ADD COLUMN replaces_seq INTEGER;
CREATE TABLE pieces (
    n INTEGER NOT NULL, attempt INTEGER NOT NULL, place INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (n, attempt, place))
"""


def upgrade() -> None:
    """Add them: no row is touched."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
