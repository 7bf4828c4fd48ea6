"""Where a database has Citus, tables of owners are spread as they are made.

A function that refuses what Citus refuses stands in for it. What the real one does with them was seen once: see
docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from tests.houses import raw, served_url
from tests.walk import owners_tables
from vault import migrations
from vault.db import Database
from vault.models import Main

STAND_IN = (
    "CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod char, beside text)",
    """CREATE FUNCTION create_distributed_table(made text, by text, colocate_with text) RETURNS void AS $$
    BEGIN
      ASSERT by = 'owner_id' AND current_setting('citus.multi_shard_modify_mode') = 'sequential';
      IF EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = made::regclass AND contype = 'f') THEN
        RAISE 'a foreign key to a table that is not spread';
      END IF;
      INSERT INTO pg_dist_partition VALUES (made::regclass, 'h', colocate_with);
    END $$ LANGUAGE plpgsql""",
    """INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (99999, 'citus', 10, 11, false, '13')""",
)


@pytest.fixture
def spread(tmp_path: Path) -> Iterator[Database]:
    """An empty database that looks as if it had Citus."""
    database = Database(served_url(tmp_path, "spread"))
    with raw(database) as say:
        for each in STAND_IN:
            say(each)
    yield database
    database.dispose()


def test_tables_of_owners_are_spread_and_get_their_keys_afterwards(spread: Database) -> None:
    migrations.bring_to("main", spread, [f"{room}@head" for room in migrations.ROOMS])
    with raw(spread) as say:
        beside = dict(map(tuple, say("SELECT logicalrelid::text, beside FROM pg_dist_partition")))
    assert beside.keys() == owners_tables() & set(Main.metadata.tables)
    assert list(beside.values()).count("default") == 1, "all others lie beside one that is there"
    assert set(beside.values()) - {"default"} <= beside.keys()
    made = inspect(spread.engine)
    for name in beside:
        wanted = {key.name for key in Main.metadata.tables[name].foreign_key_constraints}
        assert {key["name"] for key in made.get_foreign_keys(name)} == wanted
