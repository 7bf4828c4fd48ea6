"""Bringing the databases up to date."""

from __future__ import annotations

from vault.db import Database
from vault.models import Keys, Log, Main


def upgrade(main: Database, log: Database, keys: Database) -> None:
    for database, base in ((keys, Keys), (main, Main), (log, Log)):
        with database.writing() as connection:
            base.metadata.create_all(connection)
