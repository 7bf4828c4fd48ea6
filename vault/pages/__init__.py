"""The owner's pages, one file per subject."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every page of the vault itself."""
    from vault.pages import collection, due, files, health, home, language, purchase, security, setup, unlock_page

    return [
        home.pages,
        setup.pages,
        unlock_page.pages,
        collection.pages,
        purchase.pages,
        files.pages,
        due.pages,
        security.pages,
        health.pages,
        language.pages,
    ]
