"""Letting a permission go on: she agrees again to what it shows now, until a later day. An ended one is given anew.

The vendor keeps its refresh token; the days in its locks and links move with the terms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import update

from consent import grants, mails, notices, reminders, views
from consent.disclosing import shown_again
from consent.models import GrantLock
from consent.narrowing import agree, bound_to, terms_again
from consent.receipts import Screen
from consent.terms import Terms, durations
from vault import crypto
from vault.days import DAY
from vault.errors import NotFound
from vault.turn import Turn, her_turn

if TYPE_CHECKING:
    from vault.opened import OpenVault


def choices(terms: Terms, now: int) -> list[int]:
    """For how many days from now she may let it go on: no more than was asked, and longer than it lasts anyway.

    What has run out is over, also while the worker has not come to it yet.
    """
    asked = [item.duration for item in terms.items] + [item.duration for item in terms.deposits]
    if terms.by_link or terms.until <= now:
        return []  # whoever holds a link has asked for nothing; she makes another one
    return (
        [days for days in durations(asked[0]) if (now + days * DAY) // DAY > terms.until // DAY]
        if asked and not terms.looks
        else []
    )


def renew(vault: OpenVault, grant: bytes, days: int, *, shown: bytes, screen: Screen) -> bool:
    """Let it go on for so many days. False when what she would agree to is not what the page showed.

    `shown` is the digest that her form carried, `screen` is rendered anew. Raises NotFound for an ended one,
    and for days she cannot choose.
    """
    server = vault.server
    with her_turn(server, vault.owner_id, keyring=vault.keyring) as turn:
        view = views.read(turn.session, vault, grant)
        if not view.live or view.old or view.held == "old copy" or days not in choices(view.terms, server.now):
            raise NotFound
        present = terms_again(turn.session, vault, view)
        if not crypto.same(bound_to(present, shown_again(turn.session, vault, view, present), screen), shown):
            return False
        terms = replace(present, until=server.now + days * DAY)
        agree(turn, vault, view, terms, "renewed", screen)
        _move_locks(turn, grant, terms.until)
        grants.expire_later(turn.session, server, vault.owner_id, grant, terms.until)
        reminders.plan(turn.session, server, vault.owner_id, given_at=terms.given_at, until=terms.until)
        notices.tell(turn.session, server, vault.owner_id, grant, terms.client_id, "grant.renewed")
        mails.renewed(turn.session, server, vault.owner_id)
    return True


def _move_locks(turn: Turn, grant: bytes, until: int) -> None:
    mine = (GrantLock.owner_id == turn.owner_id, GrantLock.grant_id == grant)
    for kind, day in (("refresh", until), ("link", grants.rounded(until))):
        turn.session.execute(update(GrantLock).where(*mine, GrantLock.kind == kind).values(expires_at=day))
