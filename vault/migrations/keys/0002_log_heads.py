"""The head of each owner's access log."""

import sqlalchemy as sa
from alembic import op

revision = "vault_keys_0002"
down_revision = "vault_keys_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add where it stands."""
    op.add_column("floors", sa.Column("log_number", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("floors", sa.Column("log_head", sa.LargeBinary(length=32), nullable=True))
