"""Files of records."""

import sqlalchemy as sa
from alembic import op

revision = "vault_main_0003"
down_revision = "vault_main_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, empty."""
    op.create_table(
        "attachments",
        sa.Column("owner_id", sa.LargeBinary(16), nullable=False),
        sa.Column("attachment_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "attachment_id"),
        sa.ForeignKeyConstraint(
            ["owner_id", "number"], ["records.owner_id", "records.number"], name="attachments_record"
        ),
    )
    op.create_index("attachments_number", "attachments", ["owner_id", "number"])
