"""The access log."""

import sqlalchemy as sa
from alembic import op

revision = "consent_log_0001"
down_revision = None
branch_labels = ("consent",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accesses",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("proof_tag", sa.LargeBinary(length=16), nullable=True),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "grant_id", "number"),
        sa.UniqueConstraint("owner_id", "proof_tag", name="accesses_proof"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counters",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "grant_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "grant_id", "day"),
        sqlite_with_rowid=False,
    )
