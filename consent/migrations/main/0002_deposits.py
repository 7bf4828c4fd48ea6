"""What vendors leave for an owner."""

import sqlalchemy as sa
from alembic import op

revision = "consent_main_0002"
down_revision = "consent_main_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "deposits",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("deposit_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="deposits_grant"
        ),
        sa.PrimaryKeyConstraint("owner_id", "deposit_id"),
        sa.UniqueConstraint("owner_id", "grant_id", "key_tag", name="deposits_key"),
    )
    op.create_index("deposits_state", "deposits", ["owner_id", "state"], unique=False)
