"""What the connectors give to the house."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from connectors import models, resuming, uploads
from vault.errors import N_
from vault.rooms import Nav, Room

if TYPE_CHECKING:
    import click
    from flask import Blueprint
    from markupsafe import Markup

    from vault.opened import OpenVault
    from vault.server import Server


def _pages(server: Server) -> Iterable[Blueprint]:
    from connectors import guide
    from connectors.pages import pages

    return [pages, guide.pages]


def _panel(place: str, vault: OpenVault | None, subject: Any) -> Markup | None:
    from connectors import guide
    from connectors.pages import first_file

    return first_file(vault) if place == "home.empty" else guide.panel(place, vault, subject)


def _commands() -> Iterable[click.Command]:
    from connectors import bench, cli, demo

    return (cli.import_files, demo.command, bench.command)


TABLES = (models.Import, models.ImportChunk, models.ImportReport)

ROOM = Room(
    name="connectors",
    pages=_pages,
    nav=(Nav("imports.imports", N_("Imports"), "upload", 50),),
    panel=_panel,
    on_unlock=resuming.resume,
    on_erase=uploads.erase,
    commands=_commands,
)
