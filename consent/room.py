"""What consent gives to the house."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from consent import (
    access,
    denials,
    deposits,
    following,
    grant_boxes,
    leaving,
    notices,
    receipt_rows,
    reminders,
    revocation,
    segments,
    stopping,
    sweeping,
    views,
)
from consent.models import Denial, Deposit, Grant, Receipt, Segment
from vault.errors import N_, DiskFull
from vault.jobs import LINES
from vault.rooms import Boxes, Moment, Nav, Room

if TYPE_CHECKING:
    import click
    from _typeshed.wsgi import WSGIApplication
    from flask import Blueprint
    from markupsafe import Markup

    from vault.opened import OpenVault
    from vault.server import Server


def _pages(server: Server) -> Iterable[Blueprint]:
    from consent import pages
    from consent.oauth import endpoints

    return [endpoints.pages, *pages.blueprints()]


def _before(server: Server, inner: WSGIApplication) -> WSGIApplication:
    from consent import api

    return api.before(server, inner)


def _panel(place: str, vault: OpenVault | None, subject: Any) -> Markup | None:
    from consent.pages.panels import panel

    return panel(place, vault, subject)


def _past(vault: OpenVault, vendor: int, most: int) -> list[Moment]:
    from consent.pages.timeline import past

    return past(vault, vendor, most)


def _commands() -> Iterable[click.Command]:
    from consent.cli import commands

    return commands()


def _on_unlock(vault: OpenVault) -> None:
    with suppress(DiskFull):  # the answers of a day are given another time, and the log is folded another time
        following.on_unlock(vault)
    with suppress(DiskFull):
        segments.fold(vault, views.log_keys(vault, segments.behind(vault, segments.reach(vault))))


def _export(vault: OpenVault) -> dict[str, Any]:
    with vault.server.main.reading() as session:
        receipts = [kept.text for kept in receipt_rows.every(session, vault) if kept.text]
    return {"receipts": receipts, "log": segments.exported(vault, views.log_keys(vault))}


ROOM = Room(
    name="consent",
    pages=_pages,
    before=_before,
    nav=(
        Nav("sharing.sharing", N_("Who can see what"), "eye", 40, short=True),
        Nav("inbox.waiting", N_("Inbox"), "inbox", 35),
        Nav("activity.activity", N_("Access log"), "clock", 45),
    ),
    panel=_panel,
    on_change=following.on_change,
    on_unlock=_on_unlock,
    on_leave=leaving.stop,
    on_erase=leaving.end,
    jobs={
        "expire": sweeping.expire,
        "replace": sweeping.replace,
        "used": sweeping.used,
        "stop_all": stopping.clear,
        "raise_version": sweeping.raise_version,
        "remind": reminders.remind,
        "digest": reminders.digest,
        "fresh_links": revocation.mail_fresh_links,
    },
    calls={"notice": notices.deliver},
    lines=LINES,
    sweep=sweeping.sweep,
    on_stop=access.write_refusals,
    commands=_commands,
    export=_export,
    files=leaving.files,
    boxes=(
        Boxes(Grant.copy_box, "root", grant_boxes.about_copy, ("owner_id", "grant_id")),
        Boxes(Grant.memory_box, "root", grant_boxes.about_memory, ("owner_id", "grant_id", "version")),
        Boxes(Denial.offer_box, "files", denials.about_denial, ("owner_id", "request_tag")),
        Boxes(Deposit.box, "inbox", deposits.about_deposit, ("owner_id", "grant_id", "deposit_id")),
        Boxes(
            Receipt.box,
            "files",
            receipt_rows.about_receipt,
            ("owner_id", "grant_id", "receipt_id", "kind", "revision", "day"),
            only=Receipt.kind == "consent",
        ),
        Boxes(
            Receipt.screen_box, "files", receipt_rows.about_screen, ("owner_id", "grant_id", "receipt_id"), at_once=20
        ),
        Boxes(Segment.box, "files", segments.about, ("owner_id", "number"), at_once=20, database="log"),
    ),
    past=_past,
)
