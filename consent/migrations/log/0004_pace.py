"""How many calls there were under a grant in the minute of the last one."""

import sqlalchemy as sa
from alembic import op

revision = "consent_log_0004"
down_revision = "consent_log_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a minute counts."""
    for name in ("minute", "calls"):
        op.add_column("counters", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
