"""Every statement on an owner's table names the owner, so that it runs on one shard; the exceptions are counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from consent import access, grant_locks, looking, reminders, showing, tokens
from tests.people import PURCHASES, TASTE, Ada, Bookshop
from vault import keystore, worker
from vault.collections.preferences import Preference
from vault.models import Keys, Log, Main
from vault.server import Server

SERVER_TABLES = {"instance", "handles", "attempts", "clients", "requests", "seen", "server_keys", "alembic_version"}
SWEEPS = (
    r"SELECT jobs\.owner_id, jobs\.job_id\s+FROM jobs\s+WHERE jobs\.due_at",
    r"SELECT grants\.owner_id, grants\.grant_id(, grants\.ended_day)?\s+FROM grants\s+WHERE grants\.state",
    r"SELECT DISTINCT grant_locks\.owner_id, grant_locks\.grant_id\s+FROM grant_locks JOIN grants",
    r"SELECT locks\.owner_id, locks\.lock_id, locks\.expires_at\s+FROM locks",
    r"SELECT floors\.owner_id, floors\.leaves_day\s+FROM floors\s+WHERE floors\.leaves_day IS NOT NULL",
    r"DELETE FROM grant_locks WHERE grant_locks\.expires_at",
    r"SELECT DISTINCT records\.owner_id\s+FROM records\s+WHERE records\.removed_day",
)


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


def _owners_tables() -> set[str]:
    named = {name for base in (Main, Log, Keys) for name in base.metadata.tables}
    return named - SERVER_TABLES


def _unkeyed(statement: str) -> bool:
    words = set(re.findall(r"\w+", statement))
    if not words & _owners_tables() or statement.startswith(("BEGIN", "PRAGMA", "SELECT name FROM", "CREATE")):
        return False
    condition = statement if statement.startswith("INSERT") else "".join(re.split(r"\bWHERE\b", statement)[1:])
    return "owner_id" not in condition and not any(re.match(sweep, statement) for sweep in SWEEPS)


def test_every_statement_names_its_owner(said: list[str], ada: Ada, bookshop: Bookshop, house: Server) -> None:
    bought = ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.lets(bookshop, PURCHASES, TASTE, ticks=("item-1",))
    bookshop.reads()
    ada.marks_as_gift(bought)
    for path in ("/", "/purchases", f"/purchases/{bought.number}", "/sharing", "/activity", "/security", "/imports"):
        ada.looks_at(path)
    ada.removes(ada.buys("A Rug"))
    ada.looks_at("/trash")
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/less", item="1")
    receipt = ada.looks_at(f"/sharing/{grant}").split('href="/receipts/', 1)[1][:32]
    ada.looks_at(f"/receipts/{receipt}")
    ada.presses(f"/receipts/{receipt}", status=200)
    assert bookshop.connection.receipt()
    reminders.remind(house, ada.owner_id, {"day": house.now // 86400 + 90})
    ada.presses(f"/sharing/{grant}/stop")
    ada.looks_at("/sharing/links/choose")
    link = ada.shares(ada.buys("A Kettle"), views="1", passphrase="obsidian marmalade trombone")
    form = {"answer": "show", "passphrase": "obsidian marmalade trombone"}
    assert "A Kettle" in ada.app.test_client().post(link, data=form).text
    worker.tick(house, sweep=True)
    ada.looks_at("/export?fingerprint=show")
    ada.presses("/export", status=200, form="zip")
    ada.presses("/delete", name="ada")
    house.clock.passes(days=9)  # type: ignore[attr-defined]  # the clock of the tests
    worker.tick(house, sweep=True)
    assert len(said) > 100
    unkeyed = sorted({statement for statement in said if _unkeyed(statement)})
    assert not unkeyed, unkeyed[0]


@pytest.mark.parametrize("module", [access, grant_locks, looking, showing, tokens, keystore])
def test_the_hot_statements_name_it_too(module: Any) -> None:
    from vault.db import Statement

    hot = [value for value in vars(module).values() if isinstance(value, Statement)]
    assert hot
    assert all("owner_id" in str(each._text) for each in hot)
