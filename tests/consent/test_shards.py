"""Every statement of a request stays in one shard, the same of every table, so that one machine of many answers it.

Shards are stood in for by partitions: on plain PostgreSQL, every table of owners is partitioned by a hash of `owner_id`
as it is made. The planner then says of each statement, with its values, which partitions it would look at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import Connection, Table, event

from tests.conftest import PASSPHRASE, furnish
from tests.houses import PARTS, served_url
from tests.people import ISSUER, Ada, Bookshop, Clock
from tests.walk import SWEEPS, walk
from vault.app import load_rooms
from vault.citus import is_owners
from vault.db import Database
from vault.server import Server, start
from vault.settings import in_directory

SHARDS = 8
PLANNED = re.compile(r"SELECT|INSERT|UPDATE|DELETE|WITH")


class Said(NamedTuple):
    """A statement, with its values, and where it was said."""

    database: Database
    statement: str
    values: Any


@pytest.fixture(scope="module")
def _sharded() -> Iterator[None]:
    """Tables are made in shards."""

    def before(table: Table, connection: Connection, **_: Any) -> None:
        if connection.dialect.name == "postgresql" and is_owners(table):
            table.dialect_options["postgresql"]["partition_by"] = "HASH (owner_id)"

    def after(table: Table, connection: Connection, **_: Any) -> None:
        if table.dialect_options["postgresql"]["partition_by"]:
            for number in range(SHARDS):
                connection.exec_driver_sql(
                    f"CREATE TABLE {table.name}_shard{number} PARTITION OF {table.name} "
                    f"FOR VALUES WITH (MODULUS {SHARDS}, REMAINDER {number})"
                )

    event.listen(Table, "before_create", before)
    event.listen(Table, "after_create", after)
    yield
    event.remove(Table, "before_create", before)
    event.remove(Table, "after_create", after)


@pytest.fixture(scope="module")
def sharded_house(_sharded: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A house on such databases, with Ada's vault in it."""
    home = tmp_path_factory.mktemp("sharded")
    urls = {f"{part}_url": served_url(home, part) for part in PARTS}
    server = start(replace(in_directory(home, ISSUER), **urls), load_rooms(), clock=Clock())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def heard(sharded_house: Server) -> Iterator[list[Said]]:
    """What is said to the three databases, also past SQLAlchemy."""
    statements: list[Said] = []

    def listening(database: Database) -> type[psycopg.Cursor[Any]]:
        class Hearing(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                statements.append(Said(database, str(query), params))
                return super().execute(query, params, **options)

            def executemany(self, query: Any, params_seq: Any, **options: Any) -> Any:
                each = list(params_seq)
                statements.extend(Said(database, str(query), values) for values in each[:1])
                return super().executemany(query, each, **options)

        return Hearing

    def listen(database: Database) -> None:
        cursors = listening(database)

        @event.listens_for(database.engine, "connect")
        def _connected(connection: Any, _record: Any) -> None:
            connection.cursor_factory = cursors

    for database in sharded_house.databases:
        database.dispose()
        listen(database)
    return statements


def shards_of(said: Said) -> set[str]:
    """The shards that a statement would look at: their numbers."""
    with said.database.reading() as session:
        line = session.connection().connection.driver_connection
        assert line is not None
        (answer,) = line.execute("EXPLAIN (FORMAT JSON) " + said.statement, said.values).fetchone()
    return set(re.findall(r'"Relation Name": "\w+_shard(\d)"', json.dumps(answer)))


def strays(statements: list[Said]) -> Iterator[str]:
    """Those which leave the one shard and are no sweep of the worker's."""
    once = {(said.database, said.statement): said for said in statements if PLANNED.match(said.statement)}
    for said in once.values():
        swept = any(re.match(sweep, said.statement) for sweep in SWEEPS)
        if not swept and "pg_catalog" not in said.statement and len(shards_of(said)) > 1:
            yield said.statement


@pytest.fixture(scope="module")
def sharded_ada(sharded_house: Server, heard: list[Said]) -> Ada:
    """Ada at home there."""
    return Ada(sharded_house, PASSPHRASE, furnish(sharded_house)[1])


def test_every_statement_stays_in_one_shard(
    sharded_house: Server, sharded_ada: Ada, shopfront: Bookshop, heard: list[Said]
) -> None:
    shopfront.visits(sharded_ada)
    walk(sharded_house, sharded_ada, shopfront)
    statements = list(heard)
    assert len({said.statement for said in statements}) > 150
    assert not sorted(strays(statements))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT box FROM records WHERE number = 1",
        "UPDATE grants SET state = 'live' WHERE grant_id = 'x'",
        "SELECT 1 FROM records r JOIN versions v ON v.number = r.number WHERE r.owner_id = 'x'",
        "DELETE FROM locks WHERE owner_id = 'x' OR lock_id = 'x'",
    ],
)
def test_one_that_would_leave_it_is_found(sharded_house: Server, statement: str) -> None:
    assert list(strays([Said(sharded_house.main, statement, None)])) == [statement]


def test_shards_lie_beside_each_other(sharded_house: Server) -> None:
    joined = "SELECT 1 FROM records r JOIN versions v USING (owner_id, number) WHERE r.owner_id = 'ada'"
    assert len(shards_of(Said(sharded_house.main, joined, None))) == 1
