"""The owner's pages, one file per subject."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every page of the vault itself."""
    from vault.pages import (
        collection,
        health,
        home,
        merging,
        own_settings,
        purchases,
        security,
        setup,
        trash,
        unlock_page,
    )

    return [
        home.pages,
        setup.pages,
        unlock_page.pages,
        collection.pages,
        purchases.pages,
        merging.pages,
        trash.pages,
        own_settings.pages,
        security.pages,
        health.pages,
    ]
