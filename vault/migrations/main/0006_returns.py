"""What was put away with a whole import: an import may bring it back."""

import sqlalchemy as sa
from alembic import op

revision = "vault_main_0006"
down_revision = "vault_main_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. What was removed before was removed by her, and stays removed."""
    op.add_column("records", sa.Column("returns", sa.Boolean(), server_default=sa.false(), nullable=False))
