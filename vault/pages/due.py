"""Until when things can go back, and until when their guarantees hold: a page, and what of it is soon, for home."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from flask import Blueprint, render_template

from vault.catalogue import Entry
from vault.opened import OpenVault
from vault.pages import session, shown
from vault.pages.listing import vendor_name
from vault.values import When

pages = Blueprint("due", __name__)

MOST = 200  # lines of either list
SOON = {"return_by": 14, "warranty_until": 30}  # days before
AT_HOME = 5
# The last day that is meant: 2026 is 2026-12-31, and 2026-11 is 2026-11-31, which comes after every day of that month.
LAST = {name: f"substr({name} || substr('-12-31', length({name}) - 3), 1, 10)" for name in SOON}
# Only purchases have such days; alone, each condition uses its own small index.
AHEAD = {name: f"{name} <> '' AND {LAST[name]} >= ? AND damaged = 0" for name in SOON}


class Due(NamedTuple):
    """A purchase and a last day of it, as precisely as that is known; `back` where it is about returning."""

    entry: Entry
    vendor: str
    until: When
    back: bool


@pages.get("/purchases/due")
@session.unlocked
def due() -> str:
    """Everything that can still go back or is still guaranteed, the soonest first. Opens no record."""
    vault = session.vault()
    counts = {name: vault.catalogue.count(AHEAD[name], shown.today().isoformat()) for name in SOON}
    found = {name: _ahead(vault, name, MOST) for name in SOON}
    return render_template("due.html", found=found, counts=counts, here="collection.purchases")


def soon(vault: OpenVault) -> list[Due]:
    """What is over within days, the soonest first."""
    found = [each for name, days in SOON.items() for each in _ahead(vault, name, AT_HOME, within=days)]
    return sorted(found, key=lambda each: (each.until.latest, each.entry.number))[:AT_HOME]


def _ahead(vault: OpenVault, name: str, most: int, *, within: int | None = None) -> list[Due]:
    today = shown.today()
    where, values = AHEAD[name], [today.isoformat()]
    if within is not None:
        where, values = f"{where} AND {LAST[name]} < ?", [*values, (today + timedelta(days=within + 1)).isoformat()]
    entries = vault.catalogue.entries(where, *values, order=f"{LAST[name]}, number", limit=most)
    titles = vault.catalogue.titles(entry.vendor for entry in entries)
    return [
        Due(entry, vendor_name(entry.vendor, titles), When(getattr(entry, name)), name == "return_by")
        for entry in entries
    ]
