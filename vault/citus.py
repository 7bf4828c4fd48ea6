"""Citus: PostgreSQL on several machines. Where a database has the extension, migrations spread the tables of owners.

All rows of one owner lie in one shard, of every table the same. A foreign key is refused while either of its tables is
not spread, so a table is made bare, spread, and then given its keys. The server's own tables stay on the coordinator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import text
from sqlalchemy.schema import AddConstraint

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_HAS_IT = text("SELECT count(*) FROM pg_extension WHERE extname = 'citus'")
_ANY_SPREAD = text("SELECT min(logicalrelid::regclass::text) FROM pg_dist_partition WHERE partmethod = 'h'")
_SPREAD = text("SELECT create_distributed_table(:table, 'owner_id', colocate_with => :beside)")
_ONE_BY_ONE = text("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")  # keys are added in the same transaction


class SpreadTables(PostgresqlImpl):
    """How Alembic makes tables on PostgreSQL."""

    __dialect__ = "postgresql"

    def create_table(self, table: Table, **options: Any) -> None:
        """Make a table: of an owner's, on Citus, bare first."""
        connection = self.connection
        if connection is None or not is_owners(table) or not has_citus(connection):
            super().create_table(table, **options)
            return
        super().create_table(table, include_foreign_key_constraints=[], **options)
        beside = connection.execute(_ANY_SPREAD).scalar() or "default"
        connection.execute(_ONE_BY_ONE)
        connection.execute(_SPREAD, {"table": table.name, "beside": beside})
        for key in sorted(table.foreign_key_constraints, key=lambda each: str(each.name)):
            self._exec(AddConstraint(key))


def is_owners(table: Table) -> bool:
    """Do the rows of a table belong to owners? Then its key begins with theirs."""
    return next(iter(table.primary_key.columns)).name == "owner_id"


def has_citus(connection: Connection) -> bool:
    """Does a database of PostgreSQL have the extension?"""
    return connection.execute(_HAS_IT).scalar() == 1
