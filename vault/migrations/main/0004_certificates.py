"""Certificates of vaults that were deleted here."""

import sqlalchemy as sa
from alembic import op

revision = "vault_main_0004"
down_revision = "vault_main_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "certificates",
        sa.Column("owner_id", sa.LargeBinary(16), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id"),
    )
