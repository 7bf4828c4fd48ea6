"""What she has chosen for her vault, in her sealed settings: language, time zone, how long it stays open, and more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

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


@cache
def zones() -> tuple[str, ...]:
    """The time zones this server knows, by name: places, and UTC."""
    places = {name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))}
    return ("UTC", *sorted(places))


def zone(settings: Mapping[str, Any]) -> ZoneInfo | None:
    """Her time zone; None for the server's own."""
    name = settings.get("zone")
    return ZoneInfo(name) if name in zones() else None


def change(session: Session, vault: OpenVault, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change her settings as they stand in this transaction, so that of two changes at once none is lost."""
    mine = Owner.owner_id == vault.owner_id
    hold(session, vault.keyring)
    settings = open_settings(vault.keyring, session.execute(select(Owner.settings_box).where(mine)).scalar_one())
    edit(settings)
    session.execute(update(Owner).where(mine).values(settings_box=seal_settings(vault.keyring, settings)))
    vault.settings.clear()
    vault.settings.update(settings)


def keep(vault: OpenVault, chosen: Mapping[str, Any]) -> None:
    """Lay some choices over her settings; what is empty is taken out."""

    def lay(settings: dict[str, Any]) -> None:
        settings.update(chosen)
        for name in [name for name, value in settings.items() if value in ("", None)]:
            del settings[name]

    with vault.server.main.transaction() as session:
        change(session, vault, lay)
