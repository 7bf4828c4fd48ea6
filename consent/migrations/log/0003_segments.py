"""Segments: what the log held until an unlock, in one piece."""

import sqlalchemy as sa
from alembic import op

revision = "consent_log_0003"
down_revision = "consent_log_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "segments",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "number"),
    )
