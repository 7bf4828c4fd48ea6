"""Living grants follow her: what she adds, changes or takes away, and what the day changes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from consent import views
from consent.disclosing import change_set, refresh_daily
from consent.narrowing import reseal
from consent.terms import Terms
from vault.turn import Turn, her_turn

if TYPE_CHECKING:
    from vault.opened import OpenVault


def on_change(turn: Turn, vault: OpenVault, changes: Sequence[Any]) -> None:
    """Every live grant follows her changes, in the same transaction."""
    for view in views.live(turn.session, vault):
        if view.key is None or view.standing is None or view.old:
            continue
        alias = _new_alias(view.terms, changes)
        if alias is not None:
            reseal(turn, vault, view, replace(view.terms, alias=alias or None))
        else:
            change_set(turn, vault, view, changes)


def _new_alias(terms: Terms, changes: Sequence[Any]) -> str | None:
    """The address she now keeps for this grant's vendor, if it has changed; empty when she took it out.

    Throwing the vendor's whole record away is not to say that it may have her own address instead.
    """
    for change in changes:
        if change.number == terms.vendor and change.after:
            alias = getattr(change.after.record, "alias", None)
            return (alias or "") if alias != terms.alias else None
    return None


def on_unlock(vault: OpenVault) -> None:
    """Answers that depend on the day are given anew."""
    with vault.server.main.reading() as session:
        daily = [view for view in views.live(session, vault) if any(item.daily for item in view.terms.items)]
    if daily:
        with her_turn(vault.server, vault.owner_id, keyring=vault.keyring) as turn:
            for view in views.live(turn.session, vault):
                if view.key is not None and not view.old:
                    refresh_daily(turn, vault, view)
