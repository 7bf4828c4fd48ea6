"""One walk through the whole product, for what every statement on the way has to obey; and which tables are whose."""

from __future__ import annotations

from connectors import engine, undoing
from connectors.uploads import Arriving
from consent import reminders
from tests.people import PURCHASES, RECEIPTS, TASTE, Ada, Bookshop
from vault import worker
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
PATHS = ("/", "/purchases", "/profile", "/inbox", "/insights", "/sharing", "/activity", "/security", "/imports")
HISTORY = """Website,Order ID,Order Date,Currency,Unit Price,Unit Price Tax,Total Owed,ASIN,Quantity,Product Name
Amazon.com,111-0000001-0000000,2024-03-01T10:11:12Z,USD,10.00,0.80,10.80,B000000001,1,A Lamp
Amazon.com,111-0000002-0000000,2024-03-02T10:11:12Z,USD,20.00,0.80,20.80,B000000002,1,A Teapot
"""


def owners_tables() -> set[str]:
    """The tables whose every key begins with the owner's."""
    return {name for base in (Main, Log, Keys) for name in base.metadata.tables} - SERVER_TABLES


def walk(house: Server, ada: Ada, bookshop: Bookshop) -> None:
    """Ada keeps, shares, narrows, stops, imports, removes, takes everything with her, and goes."""
    bought = ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.attaches(bought, b"paid")
    ada.lets(bookshop, PURCHASES, TASTE, RECEIPTS, ticks=("item-1", "item-2"))
    bookshop.reads()
    bookshop.connection.leave("purchases", {"item": "An Atlas", "bought_on": "2026-11-20"}, key="1")
    ada.marks_as_gift(bought)
    for path in (*PATHS, f"/purchases/{bought.number}"):
        ada.looks_at(path)
    _imports(ada)
    _throws_away(ada)
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/less", item="1")
    receipt = ada.looks_at(f"/sharing/{grant}").split('href="/receipts/', 1)[1][:32]
    ada.looks_at(f"/receipts/{receipt}")
    ada.presses(f"/receipts/{receipt}", status=200)
    assert bookshop.connection.receipt()
    assert list(bookshop.connection.calls())
    reminders.remind(house, ada.owner_id, {"day": house.now // 86400 + 90})
    assert "on its way" in ada.app.test_client().post("/stop").text
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


def _imports(ada: Ada) -> None:
    """Two purchases, undone and brought back."""
    vault = ada.open
    with Arriving(vault, "history.csv") as arriving:
        arriving.write(HISTORY.encode())
        sealed = arriving.finish()
    import_id = engine.run(vault, sealed).import_id
    undoing.begin(vault, import_id, everything=False)
    undoing.run(vault, import_id)
    undoing.bring_back(vault, import_id)
    undoing.run(vault, import_id)


def _throws_away(ada: Ada) -> None:
    """Two things: one comes back, one is forgotten."""
    rug, lamp = ada.buys("A Rug"), ada.buys("A Lamp")
    for each in (rug, lamp):
        ada.removes(each)
    ada.looks_at("/trash")
    ada.presses(f"/trash/{rug.number}/restore")
    ada.presses("/trash/empty")
