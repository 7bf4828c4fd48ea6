"""The keystore's tables."""

import sqlalchemy as sa
from alembic import op

revision = "vault_keys_0001"
down_revision = None
branch_labels = ("vault",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "floors",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "instance", sa.Column("id", sa.LargeBinary(length=16), nullable=False), sa.PrimaryKeyConstraint("id")
    )
    op.create_table(
        "peppers",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("subject_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "subject_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "server_keys",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("purpose", "key_id", name="server_keys_purpose"),
    )
