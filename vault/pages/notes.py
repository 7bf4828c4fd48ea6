"""Notes are shown where they belong: at the thing or the vendor they are about."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy.orm import Session

from vault.catalogue import Entry
from vault.collections.notes import Note, bundle_of
from vault.opened import OpenVault
from vault.pages.vendors import BOUGHT
from vault.store import readable
from vault.stored import Stored

SHOWN = 50
OFFERED = 30  # of the newest purchases, to choose what a note is about


def of(reading: Session, vault: OpenVault, stored: Stored) -> list[Stored]:
    """The notes about a record, newest first; about a vendor also those that only name it."""
    vendor = stored.number if stored.kind.collection == "vendors" else -1
    where = "collection = 'notes' AND NOT damaged AND (bundle = ? OR vendor = ?)"
    entries = vault.catalogue.entries(where, bundle_of(stored.number), vendor, limit=SHOWN)
    return readable(reading, vault, [entry.number for entry in entries])


def about(_reading: Session, vault: OpenVault, stored: Stored) -> dict[str, Any]:
    """What a note's own page shows besides its fields: links to what it is about."""
    note = cast(Note, stored.record)
    return {"linked": [entry for number in (note.about, note.vendor) for entry in _entries(vault, number)]}


def options(vault: OpenVault, chosen: str) -> list[tuple[int, str]]:
    """What a note can be about: the thing chosen already, and the newest purchases."""
    mine = _entries(vault, int(chosen)) if chosen.isdecimal() and len(chosen) < 16 else []
    latest = vault.catalogue.entries(f"{BOUGHT} AND NOT damaged", limit=OFFERED)
    return list(dict.fromkeys((entry.number, entry.title) for entry in (*mine, *latest)))


def _entries(vault: OpenVault, number: int | None) -> list[Entry]:
    return vault.catalogue.entries("number = ? AND NOT damaged", number, limit=1) if number else []
