"""What the vault itself gives to the house."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vault import attachments, departure, files_along, guessing, rekeying, sandbox, trash
from vault.attached import about_content, about_known
from vault.errors import N_
from vault.inbox import furnish
from vault.lock_rows import sweep_locks, unmake_lock
from vault.logs import apart
from vault.mail import deliver
from vault.models import AttachmentRow, Owner, RecordRow, Version
from vault.opened import about_settings
from vault.recovering import mend
from vault.rooms import Boxes, Nav, Room
from vault.stored import about_record

if TYPE_CHECKING:
    import click
    from flask import Blueprint

    from vault.opened import OpenVault
    from vault.server import Server


def _pages(server: Server) -> Iterable[Blueprint]:
    from vault.pages import blueprints

    return blueprints()


def _commands() -> Iterable[click.Command]:
    from vault import leaving_cli
    from vault.backup_cli import commands
    from vault.sessions_cli import end_sessions

    return (*commands(), *leaving_cli.commands(), end_sessions)


def _on_unlock(vault: OpenVault) -> None:
    furnish(vault)
    mend(vault)
    rekeying.resume(vault)


def _sweep(server: Server) -> None:
    for sweep in (guessing.tell, sweep_locks, departure.sweep, trash.sweep, sandbox.sweep):
        with apart("sweep_failed"):
            sweep(server)


ROOM = Room(
    name="vault",
    pages=_pages,
    nav=(
        Nav("home.home", N_("Home"), "home", 10, short=True),
        Nav("collection.purchases", N_("Purchases"), "bag", 20, short=True),
        Nav("collection.vendors", N_("Vendors"), "shop", 30, short=True),
        Nav("insights.insights", N_("Insights"), "chart", 50),
        Nav("collection.profile", N_("Profile"), "person", 60),
        Nav("collection.preferences", N_("Preferences"), "sliders", 70),
        Nav("collection.notes", N_("Notes"), "note", 80),
        Nav("trash.trash", N_("Trash"), "trash", 85),
        Nav("settings.settings", N_("Settings"), "gear", 90),
        Nav("security.security", N_("Security"), "key", 95),
        Nav("leaving.export", N_("Export"), "download", 97),
    ),
    on_change=attachments.follow,
    on_unlock=_on_unlock,
    jobs={
        "unmake_lock": unmake_lock,
        "leftovers": departure.leftovers,
        attachments.JOB: attachments.erase,
    },
    calls={"mail": deliver, "farewell": deliver},
    sweep=_sweep,
    on_stop=guessing.tell,
    commands=_commands,
    files=files_along.files,
    bring=files_along.bring,
    boxes=(
        Boxes(RecordRow.box, "records", about_record, ("owner_id", "number", "revision")),
        Boxes(Version.box, "records", about_record, ("owner_id", "number", "revision")),
        Boxes(Owner.settings_box, "files", about_settings, ("owner_id",)),
        Boxes(AttachmentRow.box, "files", about_known, ("owner_id", "attachment_id", "number", "revision", "removed")),
        Boxes(AttachmentRow.content, "files", about_content, ("owner_id", "attachment_id", "number"), at_once=2),
    ),
)
