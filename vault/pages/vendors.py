"""The parties she deals with, and how other records refer to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import render_template, request

from vault import store
from vault.errors import N_, Invalid
from vault.opened import OpenVault
from vault.record import CLASSES, Record
from vault.turn import Turn

NO_SUCH_VENDOR = N_("Choose one of your vendors.")
NO_SUCH_THING = N_("Choose something that is in your vault.")
BOUGHT = "collection = 'purchases' AND part = ''"


def listing(vault: OpenVault) -> str:
    """Every vendor with how often and when she last bought there, all from the catalogue."""
    catalogue = vault.catalogue
    counts = catalogue.tally("vendor", BOUGHT)
    entries = catalogue.entries("collection = 'vendors' AND NOT damaged", order="title COLLATE NOCASE, number")
    last = {entry.number: catalogue.entries(f"{BOUGHT} AND vendor = ?", entry.number, limit=1) for entry in entries}
    return render_template(
        "vendors.html",
        entries=entries,
        counts=counts,
        last={number: found[0] for number, found in last.items() if found},
        without=counts.get(0, 0),
    )


def options(vault: OpenVault) -> list[tuple[int, str]]:
    """Number and name of every vendor, for a choice."""
    entries = vault.catalogue.entries("collection = 'vendors' AND NOT damaged", order="title COLLATE NOCASE, number")
    return [(entry.number, entry.title) for entry in entries]


def check(vault: OpenVault, kind: type[Record], edits: Mapping[str, Any]) -> None:
    """A reference names something of hers, and a new vendor's name is one. Raises Invalid."""
    known = {number for number, _ in options(vault)}
    wrong = [each.name for each in kind.fields if each.refers == "vendors" and edits.get(each.name)]
    wrong = [name for name in wrong if edits[name] not in known]
    if wrong:
        raise Invalid({name: [NO_SUCH_VENDOR] for name in wrong})
    things = [each.name for each in kind.fields if each.refers == "records" and edits.get(each.name)]
    gone = [name for name in things if not vault.catalogue.titles([edits[name]])]
    if gone:
        raise Invalid({name: [NO_SUCH_THING] for name in gone})
    if len(_new_name()) > 500:
        raise Invalid({"vendor": [N_("That name is too long.")]})


def added(turn: Turn, vault: OpenVault, kind: type[Record]) -> dict[str, Any]:
    """The vendor that a purchase's form names anew: found under that name, or added in the same turn."""
    name = _new_name()
    if kind.collection != "purchases" or not name:
        return {}
    same = [number for number, title in options(vault) if title.casefold() == name.casefold()]
    if same:
        return {"vendor": same[0]}
    made = store.add(turn, vault, CLASSES["vendors", ""].load({"called": name}))
    return {"vendor": made.number}


def _new_name() -> str:
    return request.form.get("new-vendor", "").strip()
