"""What is to go goes by itself, and docs/operating.md says of every table how long it is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from consent.clients import UNUSED
from consent.models import Access, ClientRow, Counter, PushedRequest, Seen
from tests.houses import home_of
from tests.people import Ada, Bookshop, Clock, house_in
from vault import attempts, departure, sandbox, sessions, store
from vault.app import load_rooms
from vault.collections.notes import Note
from vault.models import Attempt, Job, Keys, Log, Main, Owner
from vault.server import Server
from vault.worker import tick

ROOT = Path(__file__).resolve().parents[2]


def test_every_table_says_how_long_it_is_kept() -> None:
    load_rooms()
    tables = {name for base in (Main, Log, Keys) for name in base.metadata.tables}
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    chapter = text.split("## What is kept, and how long\n")[1].split("\n## ")[0]
    told = [
        name for row in re.findall(r"^\| (`[^|]+) \|", chapter, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(told) == sorted(tables)


def rows_of(house: Server, owner: bytes) -> dict[str, int]:
    """How many rows of hers there are, by table."""
    found = {}
    for database, base in ((house.main, Main), (house.log, Log)):
        with database.reading() as session:
            for table in base.metadata.sorted_tables:
                if "owner_id" in table.columns:
                    mine = select(func.count()).select_from(table).where(table.c.owner_id == owner)
                    found[table.name] = session.scalar(mine) or 0
    return {name: count for name, count in found.items() if count}


def count(house: Server, table: type[Main]) -> int:
    with house.main.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_what_has_run_out_goes_though_nobody_calls(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.lets(bookshop)
    bookshop.pushes()
    attempts.admit(ada.house, address="192.0.2.1")
    assert min(count(ada.house, table) for table in (PushedRequest, Seen, Attempt)) > 0
    clock.passes(hours=2)
    tick(ada.house, sweep=True)
    assert [count(ada.house, table) for table in (PushedRequest, Seen, Attempt)] == [0, 0, 0]
    assert count(ada.house, ClientRow) == 1
    clock.passes(seconds=UNUSED)
    tick(ada.house, sweep=True)
    assert count(ada.house, ClientRow) == 1, "a day fresh, and then a month"
    clock.passes(days=1)
    tick(ada.house, sweep=True)
    assert count(ada.house, ClientRow) == 0


def test_a_client_that_was_forgotten_is_fetched_again(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.lets(bookshop)
    clock.passes(days=32)
    tick(ada.house, sweep=True)
    assert bookshop.pushes().status_code == 201


def test_what_a_call_leaves_while_a_vault_is_being_deleted_goes_ten_minutes_later(ada: Ada, clock: Clock) -> None:
    owner, house = ada.owner_id, ada.house
    departure.ask(ada.vault)
    clock.passes(days=9)
    tick(house, sweep=True)
    late = {"owner_id": owner, "grant_id": bytes(16)}
    with house.log.transaction() as session:
        session.execute(insert(Counter).values(**late, number=1))
        session.execute(insert(Access).values(**late, number=1, day=1, box=b"late"))
    assert rows_of(house, owner) == {"certificates": 1, "accesses": 1, "counters": 1}
    clock.passes(seconds=departure.UNDER_WAY)
    tick(house, sweep=True)
    assert rows_of(house, owner) == {"certificates": 1}


@pytest.fixture
def made_up(ada: Ada, clock: Clock) -> Server:
    """A server with a sandbox in which somebody has been."""
    house = house_in(home_of(ada.house), clock, sandbox=True)
    somebody_is_there(house)
    return house


def somebody_is_there(house: Server) -> int:
    """A developer keeps a note with her; returns its number."""
    _session, vault = sessions.begin(house, sandbox.unlock(house))
    with store.writing(vault, numbers=1) as turn:
        return store.add(turn, vault, Note(heading="A lid is missing", text="It came without its lid.")).number


def test_what_developers_leave_is_thrown_away_every_week(made_up: Server, clock: Clock) -> None:
    assert rows_of(made_up, sandbox.OWNER)["records"] == 1
    clock.passes(days=6)
    tick(made_up, sweep=True)
    assert "records" in rows_of(made_up, sandbox.OWNER)
    clock.passes(days=1)
    tick(made_up, sweep=True)
    assert rows_of(made_up, sandbox.OWNER) == {}
    assert somebody_is_there(made_up) == 1, "she begins anew, and is nobody's old copy"
    tick(made_up, sweep=True)
    assert rows_of(made_up, sandbox.OWNER)["records"] == 1
    made_up.stop()


def test_where_the_sandbox_is_off_nothing_of_it_stays(made_up: Server, clock: Clock) -> None:
    directory = home_of(made_up)
    made_up.stop()
    house = house_in(directory, clock)
    tick(house, sweep=True)
    assert rows_of(house, sandbox.OWNER) == {}
    with house.main.reading() as session:
        assert session.get(Owner, sandbox.OWNER) is None
        assert session.scalar(select(func.count()).select_from(Job).where(Job.owner_id == sandbox.OWNER)) == 0
    house.stop()
