"""Where the outcome of a job is sent, what is on its way there, and jobs that are to start later."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = """
ALTER TABLE jobs ADD COLUMN callback TEXT;
CREATE INDEX job_due ON jobs (due) WHERE due IS NOT NULL;
CREATE TABLE callbacks (
    id TEXT NOT NULL PRIMARY KEY, job TEXT NOT NULL, attempt INTEGER NOT NULL, task TEXT NOT NULL,
    room TEXT NOT NULL, state TEXT NOT NULL, seconds FLOAT NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL,
    body TEXT NOT NULL, since FLOAT NOT NULL, tries INTEGER NOT NULL, due FLOAT, error TEXT);
CREATE INDEX callback_due ON callbacks (due, host, id) WHERE due IS NOT NULL;
CREATE INDEX callback_dead ON callbacks (since) WHERE due IS NULL
"""


def upgrade() -> None:
    """Add them: no row is touched."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
