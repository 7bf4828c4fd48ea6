"""Every statement on an owner's table names the owner, so that it runs on one shard; the exceptions are counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from consent import access, grant_locks, looking, showing, tokens
from tests.people import Ada, Bookshop
from tests.walk import SWEEPS, owners_tables, walk
from vault import keystore
from vault.server import Server


@pytest.fixture
def said(house: Server) -> Iterator[list[str]]:
    """Every statement that goes through Core or the ORM."""
    statements: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    for database in house.databases:
        event.listen(database.engine, "before_cursor_execute", hear)
    yield statements
    for database in house.databases:
        event.remove(database.engine, "before_cursor_execute", hear)


def _unkeyed(statement: str) -> bool:
    words = set(re.findall(r"\w+", statement))
    if not words & owners_tables() or statement.startswith(("BEGIN", "PRAGMA", "SELECT name FROM", "CREATE")):
        return False
    condition = statement if statement.startswith("INSERT") else "".join(re.split(r"\bWHERE\b|\bON\b", statement)[1:])
    return "owner_id" not in condition and not any(re.match(sweep, statement) for sweep in SWEEPS)


def test_every_statement_names_its_owner(said: list[str], ada: Ada, bookshop: Bookshop, house: Server) -> None:
    walk(house, ada, bookshop)
    assert len(said) > 100
    unkeyed = sorted({statement for statement in said if _unkeyed(statement)})
    assert not unkeyed, unkeyed[0]


@pytest.mark.parametrize("module", [access, grant_locks, looking, showing, tokens, keystore])
def test_the_hot_statements_name_it_too(module: Any) -> None:
    from vault.db import Statement

    hot = [value for value in vars(module).values() if isinstance(value, Statement)]
    assert hot
    assert all(":owner" in str(each._text) for each in hot)
