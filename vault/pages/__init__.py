"""The owner's pages, one file per subject."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every page of the vault itself."""
    from vault.pages import (
        collection,
        departure,
        due,
        files,
        health,
        home,
        insights,
        language,
        leaving,
        merging,
        own_settings,
        purchase,
        search,
        security,
        setup,
        trash,
        unlock_page,
    )
    from vault.pages import keys as _keys  # noqa: F401 - adds to the pages of security
    from vault.pages import passkeys as _passkeys  # noqa: F401 - likewise
    from vault.pages import recovery as _recovery  # noqa: F401 - likewise

    return [
        home.pages,
        setup.pages,
        unlock_page.pages,
        collection.pages,
        purchase.pages,
        files.pages,
        due.pages,
        insights.pages,
        search.pages,
        merging.pages,
        trash.pages,
        own_settings.pages,
        security.pages,
        leaving.pages,
        departure.pages,
        health.pages,
        language.pages,
    ]
