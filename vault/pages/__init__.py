"""The owner's pages, one file per subject."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every page of the vault itself."""
    from vault.pages import (
        collection,
        departure,
        health,
        home,
        language,
        leaving,
        purchases,
        security,
        setup,
        unlock_page,
    )

    return [
        home.pages,
        setup.pages,
        unlock_page.pages,
        collection.pages,
        purchases.pages,
        security.pages,
        leaving.pages,
        departure.pages,
        health.pages,
        language.pages,
    ]
