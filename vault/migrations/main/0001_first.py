"""The vault's tables."""

import sqlalchemy as sa
from alembic import op

revision = "vault_main_0001"
down_revision = None
branch_labels = ("vault",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "attempts",
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tag"),
    )
    op.create_table(
        "handles",
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("tag"),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("format", sa.BigInteger(), nullable=False),
        sa.Column("claimed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "jobs",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("lease_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "job_id"),
    )
    op.create_index("jobs_due", "jobs", ["due_at"], unique=False)
    op.create_table(
        "owners",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("last_record", sa.BigInteger(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.Column("notice_box", sa.LargeBinary(), nullable=True),
        sa.Column("settings_box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id"),
    )
    op.create_table(
        "keys",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="keys_owner"),
        sa.PrimaryKeyConstraint("owner_id", "key_id"),
    )
    op.create_table(
        "locks",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("lock_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("params", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="locks_owner"),
        sa.PrimaryKeyConstraint("owner_id", "lock_id"),
    )
    op.create_table(
        "records",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.LargeBinary(length=16), nullable=True),
        sa.Column("import_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("box", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="records_owner"),
        sa.PrimaryKeyConstraint("owner_id", "number"),
        sa.UniqueConstraint("owner_id", "mark", name="records_mark"),
        sqlite_with_rowid=False,
    )
    op.create_index("records_revision", "records", ["owner_id", "revision"], unique=False)
    op.create_table(
        "versions",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id", "number"], ["records.owner_id", "records.number"], name="versions_record"),
        sa.PrimaryKeyConstraint("owner_id", "number", "revision"),
        sqlite_with_rowid=False,
    )
