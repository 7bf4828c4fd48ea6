"""The owner's pages about who can see what."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every page of consent."""
    from consent.pages import activity, authorize, inbox, receipts, revocation, share_links, sharing, visiting

    hers = [authorize.pages, sharing.pages, activity.pages, inbox.pages, receipts.pages, share_links.pages]
    return [*hers, revocation.pages, visiting.pages]
