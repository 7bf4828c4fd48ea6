"""The trash: the day on which a record was removed, as long as it can be put back."""

import sqlalchemy as sa
from alembic import op

revision = "vault_main_0005"
down_revision = "vault_main_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. What was removed before stays out of the trash."""
    op.add_column("records", sa.Column("removed_day", sa.BigInteger(), nullable=True))
    there = sa.text("removed_day IS NOT NULL")
    op.create_index(
        "records_removed", "records", ["owner_id", "removed_day"], sqlite_where=there, postgresql_where=there
    )
