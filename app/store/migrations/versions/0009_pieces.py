"""Pieces of texts in the order in which they were written."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = """
ALTER TABLE pieces RENAME TO pieces_before;
CREATE TABLE pieces (
    written BIGINT NOT NULL, n INTEGER NOT NULL, place INTEGER NOT NULL, attempt INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (written, n, place)){};
INSERT INTO pieces (written, n, place, attempt, text) SELECT 0, n, place, attempt, text FROM pieces_before
    WHERE NOT EXISTS (SELECT 1 FROM pieces_before later WHERE later.n = pieces_before.n AND later.attempt > pieces_before.attempt);
DROP TABLE pieces_before
"""


def upgrade() -> None:
    """Copy them: those of the newest attempt of each job, and there are no others."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    for statement in STATEMENTS.format(" WITHOUT ROWID" if is_sqlite else "").split(";"):
        op.execute(statement)
    if not is_sqlite:
        op.execute("CREATE INDEX piece_job ON pieces (n)")
