"""How often a limited grant has been looked at."""

import sqlalchemy as sa
from alembic import op

revision = "consent_log_0002"
down_revision = "consent_log_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a limit counts."""
    for name in ("looks", "looks_of_day", "day", "began_at"):
        op.add_column("counters", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
