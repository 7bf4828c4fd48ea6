"""The profile: one section per part, each with its values, where they came from, and what they were before."""

from __future__ import annotations

from flask import render_template
from sqlalchemy.orm import Session

from vault import crypto, store
from vault.opened import OpenVault
from vault.pages.listing import earlier, rows
from vault.record import classes_of
from vault.store import readable
from vault.stored import Stored

MOST = 20  # earlier versions shown of one value


def listing(vault: OpenVault) -> str:
    """Everything about her, part by part."""
    entries = vault.catalogue.entries("collection = 'profile' AND NOT damaged", order="number", limit=500)
    with vault.server.main.reading() as session:
        found = readable(session, vault, [entry.number for entry in entries])
        before = _histories(session, vault, found)
    sections = [
        (
            kind,
            [
                (each, rows(vault, each.record), earlier(vault, before[each.number]))
                for each in found
                if each.kind is kind
            ],
        )
        for kind in classes_of("profile")
    ]
    return render_template("profile.html", sections=sections, filled=sum(1 for _, values in sections if values))


def _histories(session: Session, vault: OpenVault, found: list[Stored]) -> dict[int, list[Stored]]:
    """Every value with its earlier versions; where one of them is damaged, with none, since the page must open."""
    try:
        known = store.histories(session, vault, [each.number for each in found])
    except crypto.Damaged:
        known = {}
    return {each.number: [each, *known.get(each.number, [])[:MOST]] for each in found}
