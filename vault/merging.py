"""Two vendors that are one: all that is of the one becomes the other's, which stays. It is one change of hers.

Because it is one change, one button takes all of it back (vault/trash.py).
"""

from __future__ import annotations

from typing import Any

from vault import store
from vault.collections.notes import Note, bundle_of
from vault.collections.vendors import Vendor
from vault.errors import NotFound
from vault.kinds import LONG
from vault.opened import OpenVault
from vault.stored import Stored
from vault.turn import Turn

TOGETHER = ("domains", "also_called")
FILLED = ("address", "contact", "tier")  # not the alias: what a grant of the one shows must not change by this


def belonging(vault: OpenVault, vendor: int) -> list[int]:
    """The numbers of the records that name a vendor."""
    where = "NOT damaged AND (vendor = ? OR bundle = ?)"
    return [entry.number for entry in vault.catalogue.entries(where, vendor, bundle_of(vendor), order="number")]


def merge(turn: Turn, vault: OpenVault, kept: int, going: int) -> None:
    """Make `going` a part of `kept`. Raises NotFound when either is no vendor of hers, or they are the same."""
    one, other = (store.read(turn.session, vault, number) for number in (kept, going))
    if kept == going or one.kind is not Vendor or other.kind is not Vendor:
        raise NotFound
    theirs = store.everything(turn.session, vault, belonging(vault, going))
    renamed = [(each, each.edited(_renamed(each, kept, going))) for each in theirs]
    store.put_all(turn, vault, [(one, one.edited(united(one, other))), *renamed])
    store.remove(turn, vault, going)


def united(one: Stored, other: Stored) -> dict[str, Any]:
    """What the vendor that stays takes over: names and web addresses as well, the rest where it says nothing itself."""
    mine, theirs = one.record.dump(), other.record.dump()
    names = [*mine.get("also_called", []), theirs["called"], *theirs.get("also_called", [])]
    edits: dict[str, Any] = {
        "domains": _without_doubles([*mine.get("domains", []), *theirs.get("domains", [])]),
        "also_called": _without_doubles([name for name in names if name.casefold() != mine["called"].casefold()]),
    }
    edits |= {name: theirs[name] for name in FILLED if name in theirs and name not in mine}
    note = "\n\n".join(said["note"] for said in (mine, theirs) if "note" in said)
    return edits | ({"note": note} if note and len(note) <= LONG else {})


def _renamed(each: Stored, kept: int, going: int) -> dict[str, Any]:
    names = [each.kind.vendor_field] if each.kind is not Note else ["vendor", "about"]
    return {name: kept for name in names if name and each.raw(name) == going}


def _without_doubles(words: list[str]) -> list[str] | None:
    return list({word.casefold(): word for word in reversed(words)}.values())[::-1][:100] or None
