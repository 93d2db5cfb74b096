"""Which tasks run on the messages of a room."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add them: no row is touched."""
    op.execute("ALTER TABLE rooms ADD COLUMN tasks TEXT")
