"""One vendor's page and its timeline: what was bought there and noted, and what other rooms know, the latest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import request
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from vault.opened import OpenVault
from vault.pages import notes, purchases
from vault.pages.listing import rows
from vault.pages.vendors import BOUGHT
from vault.rooms import Moment
from vault.store import readable
from vault.stored import Stored

FIRST, MOST = 20, 500


def about(reading: Session, vault: OpenVault, vendor: Stored) -> dict[str, Any]:
    """What a vendor's own page shows besides its fields."""
    most = MOST if request.args.get("past") == "all" else FIRST
    moments, earlier = _past(reading, vault, vendor, most=most)
    oldest = vault.catalogue.entries(f"{BOUGHT} AND vendor = ?", vendor.number, order="day, number", limit=1)
    return {
        "moments": moments,
        "earlier": earlier and most == FIRST,
        "count": vault.catalogue.count(f"{BOUGHT} AND vendor = ?", vendor.number),
        "since": oldest[0].day if oldest else "",
        "facts": [row for row in rows(vault, vendor.record) if row[0].name not in ("called", "note")],
    }


def _past(reading: Session, vault: OpenVault, vendor: Stored, *, most: int) -> tuple[list[Moment], bool]:
    """The latest moments, and whether there are more."""
    found = [*_bought(reading, vault, vendor, most), *_noted(reading, vault, vendor)]
    for room in vault.server.rooms:
        found += room.past(vault, vendor.number, most)
    found.sort(key=lambda moment: moment.at, reverse=True)
    return found[:most], len(found) > most


def _bought(reading: Session, vault: OpenVault, vendor: Stored, most: int) -> Iterator[Moment]:
    entries = vault.catalogue.entries(f"{BOUGHT} AND vendor = ? AND NOT damaged", vendor.number, limit=most + 1)
    found = {each.number: each for each in readable(reading, vault, [entry.number for entry in entries])}
    for row in purchases.grouped(entries, found, {}):
        things = len(row.entries)
        words = ngettext("You bought %(thing)s", "You bought %(num)d things", things, thing=row.first.title)
        names = ", ".join(entry.title for entry in row.entries) if things > 1 else ""
        said = [row.paid, names, gettext("It left this in your inbox.") if _was_left(row, found) else ""]
        yield Moment(row.first.day, "bag", words, ". ".join(filter(None, said)), f"/purchases/{row.first.number}")


def _was_left(row: purchases.Row, found: dict[int, Stored]) -> bool:
    return any("deposit" in found[number].origin for number in row.numbers if number in found)


def _noted(reading: Session, vault: OpenVault, vendor: Stored) -> Iterator[Moment]:
    for each in notes.of(reading, vault, vendor):
        text = str(each.raw("text"))
        more = text if len(text) <= 140 else f"{text[:139].rstrip()}…"
        words = gettext("You noted: %(heading)s", heading=each.record.name())
        yield Moment(each.record.day(), "note", words, more, f"/notes/{each.number}")
