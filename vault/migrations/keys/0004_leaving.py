"""The day from which an owner's vault is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "vault_keys_0004"
down_revision = "vault_keys_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; nobody leaves yet."""
    op.add_column("floors", sa.Column("leaves_day", sa.BigInteger(), nullable=True))
