"""The log's own table."""

import sqlalchemy as sa
from alembic import op

revision = "vault_log_0001"
down_revision = None
branch_labels = ("vault",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "instance", sa.Column("id", sa.LargeBinary(length=16), nullable=False), sa.PrimaryKeyConstraint("id")
    )
