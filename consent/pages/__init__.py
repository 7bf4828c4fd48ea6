"""The owner's pages about who can see what."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every page of consent."""
    from consent.pages import activity, authorize, developers, inbox, receipts, revocation, sharing

    return [
        authorize.pages,
        sharing.pages,
        activity.pages,
        inbox.pages,
        receipts.pages,
        revocation.pages,
        developers.pages,
    ]
