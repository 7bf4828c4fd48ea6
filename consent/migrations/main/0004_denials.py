"""Requests she said no to, and what she has asked vendors to delete."""

import sqlalchemy as sa
from alembic import op

revision = "consent_main_0004"
down_revision = "consent_main_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "denials",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("request_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("vendor_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("never", sa.Boolean(), nullable=False),
        sa.Column("offer_box", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="denials_owner"),
        sa.PrimaryKeyConstraint("owner_id", "request_tag"),
    )
    op.create_index("denials_vendor", "denials", ["owner_id", "vendor_tag"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("asked_day", sa.BigInteger(), nullable=False),
        sa.Column("done_day", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="erasures_grant"
        ),
        sa.PrimaryKeyConstraint("owner_id", "grant_id"),
    )
