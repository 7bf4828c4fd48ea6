"""`disclose` decides what of a record a grant shows. The same function renders the preview, so it cannot lie."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson

from consent.terms import Terms, VaultData
from vault import crypto
from vault.collections.purchases import Purchase
from vault.record import Record
from vault.stored import Stored


def disclose(terms: Terms, item: VaultData, stored: Stored, today: date) -> bytes | None:
    """The JSON that the vendor will receive for one record under one item, or None when it sees nothing of it.

    Keys are the field paths granted. Fields without a value are left out; a record without any is not shown at all.
    """
    kind = stored.kind
    if kind.collection != item.collection:
        return None
    if item.numbers and stored.number not in item.numbers:
        return None
    if item.this_vendor and stored.raw("vendor") != terms.vendor:
        return None  # before the record is read: most of what changes concerns other vendors
    record = stored.record
    if not _within(item, stored, today):
        return None
    known = type(record).paths()
    shown = {path: record.value(known[path], today) for path in item.fields if path in known}
    kept = {path: _aliased(terms, path, value) for path, value in shown.items() if value is not None}
    return orjson.dumps(kept) if kept else None


def _within(item: VaultData, stored: Stored, today: date) -> bool:
    """Is this record one of those the item is about? A day that is not known exactly counts against showing it."""
    record = stored.record
    if not isinstance(record, Purchase):
        return True
    first, last = record.bought_on.earliest, record.bought_on.latest
    if (item.since and first.isoformat() < item.since) or (item.up_to and last.isoformat() > item.up_to):
        return False
    if item.delay and (today - last).days < item.delay:
        return False
    if item.categories and (record.category or "").casefold() not in map(str.casefold, item.categories):
        return False
    return item.gifts or not is_gift(stored)


def is_gift(stored: Stored) -> bool:
    """Marked as a gift, or looking like one and not yet decided: both stay hidden unless she adds gifts."""
    record: Record = stored.record
    if not isinstance(record, Purchase):
        return False
    return record.for_whom == "gift" or stored.proposes.get("for_whom") == "gift"


def _aliased(terms: Terms, path: str, value: Any) -> Any:
    """The address she keeps for this vendor, instead of her own."""
    return terms.alias if path == "email.address" and terms.alias else value


def ref(grant_key: bytes, item: int, number: int) -> bytes:
    """The pairwise name of a record under a grant: it tells nothing and joins nothing across vendors."""
    return crypto.tag(grant_key, "ref", item, number)[:16]


def about_disclosure(owner: bytes, grant: bytes, item: int, name: bytes, version: int, change: int) -> bytes:
    """The identity of a disclosure's box."""
    return crypto.identity("vrm/1/disclosure", owner, grant, item, name, version, change)


def about_terms(owner: bytes, grant: bytes, version: int) -> bytes:
    """The identity of a terms box."""
    return crypto.identity("vrm/1/terms", owner, grant, version)
