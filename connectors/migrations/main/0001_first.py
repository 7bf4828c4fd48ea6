"""Imports."""

import sqlalchemy as sa
from alembic import op

revision = "connectors_main_0001"
down_revision = None
branch_labels = ("connectors",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "imports",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("import_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("lease_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("started_day", sa.BigInteger(), nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="imports_owner"),
        sa.PrimaryKeyConstraint("owner_id", "import_id"),
    )
    op.create_table(
        "import_chunks",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("import_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "import_id"], ["imports.owner_id", "imports.import_id"], name="import_chunks_import"
        ),
        sa.PrimaryKeyConstraint("owner_id", "import_id", "n"),
    )
    op.create_table(
        "import_reports",
        sa.Column("owner_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("import_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("box", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "import_id"], ["imports.owner_id", "imports.import_id"], name="import_reports_import"
        ),
        sa.PrimaryKeyConstraint("owner_id", "import_id", "n"),
    )
