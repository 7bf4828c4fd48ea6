"""The migrations make exactly the tables that the models state, each keyed by its owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.houses import embedded_only, url_in
from vault.app import load_rooms
from vault.db import Database
from vault.migrations import up_to_date, upgrade
from vault.models import Keys, Log, Main

SERVER_TABLES = {"instance", "handles", "attempts", "clients", "requests", "seen", "server_keys"}


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[dict[str, Database]]:
    load_rooms()
    made = {name: Database(url_in(tmp_path, name)) for name in ("main", "log", "keys")}
    upgrade(**made)
    yield made
    for database in made.values():
        database.dispose()


@pytest.mark.parametrize(("name", "base"), [("main", Main), ("log", Log), ("keys", Keys)])
def test_migrations_make_what_the_models_state(databases: dict[str, Database], name: str, base: type) -> None:
    with databases[name].engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), base.metadata)
    assert not differences
    assert up_to_date(name, databases[name])


@pytest.mark.parametrize("base", [Main, Log, Keys])
def test_every_key_of_an_owners_table_begins_with_the_owner(base: type) -> None:
    load_rooms()
    for table in base.metadata.tables.values():
        if table.name in SERVER_TABLES:
            continue
        assert table.primary_key.columns.keys()[0] == "owner_id", table.name
        for constraint in table.foreign_key_constraints:
            assert constraint.column_keys[0] == "owner_id", constraint
        for constraint in table.constraints:
            columns = list(constraint.columns.keys()) if hasattr(constraint, "columns") else []
            assert not columns or columns[0] == "owner_id", constraint


@embedded_only
def test_running_them_again_changes_nothing(databases: dict[str, Database]) -> None:
    before = {name: database.file.read_bytes() for name, database in databases.items()}
    upgrade(**databases)
    assert {name: database.file.read_bytes() for name, database in databases.items()} == before
