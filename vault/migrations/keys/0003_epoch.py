"""The epoch of an owner's grants: raised, it ends them all."""

import sqlalchemy as sa
from alembic import op

revision = "vault_keys_0003"
down_revision = "vault_keys_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; whatever lives goes on."""
    for table in ("floors", "peppers"):
        op.add_column(table, sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False))
