"""Which databases belong together: each of the three carries the same id, in a table `instance` of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from vault.models import Instance

if TYPE_CHECKING:
    from vault.db import Database


def instance_of(database: Database) -> bytes | None:
    """The id that a database carries; None for an empty one."""
    if not inspect(database.engine).has_table(Instance.__tablename__):
        return None
    with database.engine.connect() as connection:
        return connection.execute(select(Instance.id)).scalar()


def instance_if_readable(database: Database) -> bytes | None:
    """The same, and None also for a database that cannot be read now."""
    try:
        return instance_of(database)
    except SQLAlchemyError:
        return None


def rename(database: Database, instance: bytes) -> None:
    """A database that carries an id carries another one from now on."""
    with database.transaction() as session:
        session.execute(update(Instance).values(id=instance))
