"""Receipts: what was agreed, changed and ended, signed and sealed."""

import sqlalchemy as sa
from alembic import op

revision = "consent_main_0003"
down_revision = "consent_main_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "receipts",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("receipt_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.Column("copy_box", sa.LargeBinary(), nullable=True),
        sa.Column("screen_box", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="receipts_grant"
        ),
        sa.PrimaryKeyConstraint("owner_id", "receipt_id"),
    )
    op.create_index("receipts_grant_index", "receipts", ["owner_id", "grant_id"], unique=False)
