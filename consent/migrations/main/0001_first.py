"""Consent's tables."""

import sqlalchemy as sa
from alembic import op

revision = "consent_main_0001"
down_revision = None
branch_labels = ("consent",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "clients",
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("fresh_until", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tag"),
    )
    op.create_table(
        "requests",
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("opened", sa.Boolean(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tag"),
    )
    op.create_table(
        "seen",
        sa.Column("scope", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "tag"),
    )
    op.create_table(
        "grants",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("vendor_tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("changed_day", sa.BigInteger(), nullable=False),
        sa.Column("ended_day", sa.BigInteger(), nullable=True),
        sa.Column("label_box", sa.LargeBinary(), nullable=False),
        sa.Column("terms_box", sa.LargeBinary(), nullable=True),
        sa.Column("copy_box", sa.LargeBinary(), nullable=True),
        sa.Column("memory_box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="grants_owner"),
        sa.PrimaryKeyConstraint("owner_id", "grant_id"),
    )
    op.create_index("grants_vendor", "grants", ["owner_id", "vendor_tag"], unique=False)
    op.create_table(
        "disclosures",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("change", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.LargeBinary(length=16), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="disclosures_grant"
        ),
        sa.PrimaryKeyConstraint("owner_id", "grant_id", "change"),
        sa.UniqueConstraint("owner_id", "grant_id", "ref", name="disclosures_ref"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "grant_locks",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("lock_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("grant_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "grant_id"], ["grants.owner_id", "grants.grant_id"], name="grant_locks_grant"
        ),
        sa.PrimaryKeyConstraint("owner_id", "lock_id"),
    )
    op.create_index(
        "grant_locks_grant_index", "grant_locks", ["owner_id", "grant_id", "kind", "expires_at"], unique=False
    )
