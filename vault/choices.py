"""What she has chosen for her vault, in her sealed settings: how long it stays open, what her passkeys are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from vault.keyring import hold
from vault.models import Owner
from vault.opened import open_settings, seal_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

QUIET = (5, 15, 30, 60)  # minutes without a page after which a session ends; hers to choose
USUAL = 15


def quiet(settings: Mapping[str, Any]) -> int:
    """Seconds without a page after which her sessions end."""
    chosen = settings.get("quiet", USUAL)
    return 60 * (chosen if chosen in QUIET else USUAL)


def change(session: Session, vault: OpenVault, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change her settings as they stand in this transaction, so that of two changes at once none is lost."""
    mine = Owner.owner_id == vault.owner_id
    hold(session, vault.keyring)
    settings = open_settings(vault.keyring, session.execute(select(Owner.settings_box).where(mine)).scalar_one())
    edit(settings)
    session.execute(update(Owner).where(mine).values(settings_box=seal_settings(vault.keyring, settings)))
    vault.settings.clear()
    vault.settings.update(settings)
