"""The public half of an owner's inbox."""

import sqlalchemy as sa
from alembic import op

revision = "vault_main_0002"
down_revision = "vault_main_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; owners from before get theirs at their next unlock."""
    op.add_column("owners", sa.Column("inbox_box", sa.LargeBinary(), nullable=True))
