"""The profile: one section per part, each with its values."""

from __future__ import annotations

from flask import render_template

from vault.opened import OpenVault
from vault.pages.listing import readable, rows
from vault.record import classes_of


def listing(vault: OpenVault) -> str:
    """Everything about her, part by part."""
    entries = vault.catalogue.entries("collection = 'profile' AND NOT damaged", order="number", limit=500)
    with vault.server.main.reading() as reading:
        found = readable(reading, vault, [entry.number for entry in entries])
    sections = [
        (kind, [(each, rows(vault, each.record)) for each in found if each.kind is kind])
        for kind in classes_of("profile")
    ]
    return render_template("profile.html", sections=sections, filled=sum(1 for _, values in sections if values))
