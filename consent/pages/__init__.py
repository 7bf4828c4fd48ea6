"""The owner's pages about who can see what."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every page of consent."""
    from consent.pages import (
        activity,
        authorize,
        developers,
        erasure,
        inbox,
        receipts,
        renewing,
        revocation,
        sandbox,
        share_links,
        sharing,
        visiting,
    )

    hers = (authorize, sharing, renewing, erasure, activity, inbox, receipts, share_links)
    return [each.pages for each in (*hers, revocation, visiting, developers, sandbox)]
