"""Which images are used by a message or a job: all that are there are taken to be."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = """
CREATE TABLE new_uploads (
    id TEXT NOT NULL PRIMARY KEY, room TEXT NOT NULL, type TEXT NOT NULL, bytes INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, at FLOAT NOT NULL, used BOOLEAN NOT NULL);
INSERT INTO new_uploads (id, room, type, bytes, width, height, at, used)
    SELECT id, room, type, bytes, width, height, at, 1 FROM uploads;
DROP TABLE uploads;
ALTER TABLE new_uploads RENAME TO uploads;
CREATE INDEX upload_unused ON uploads (at) WHERE used = 0
"""


def upgrade() -> None:
    """Make the table anew, with every row."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
