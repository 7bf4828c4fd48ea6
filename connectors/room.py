"""What the connectors give to the house."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from connectors import course, lease, models, resuming, uploads
from vault.errors import N_
from vault.rooms import Boxes, Nav, Room

if TYPE_CHECKING:
    import click
    from flask import Blueprint
    from markupsafe import Markup

    from vault.opened import OpenVault
    from vault.rooms import File
    from vault.server import Server


def _pages(server: Server) -> Iterable[Blueprint]:
    from connectors import guide
    from connectors.pages import pages

    return [pages, guide.pages]


def _panel(place: str, vault: OpenVault | None, subject: Any) -> Markup | None:
    from connectors import guide
    from connectors.pages import first_file, in_trash

    if place == "trash":
        return in_trash(vault)
    return first_file(vault) if place == "home.empty" else guide.panel(place, vault, subject)


def _commands() -> Iterable[click.Command]:
    from connectors import bench, cli, demo

    return (cli.import_files, demo.command, bench.command)


def _files(vault: OpenVault) -> Iterable[File]:
    """What came of every file that was brought in."""
    told = [
        {"import": each.import_id.hex(), "state": each.state, **asdict(each.course)} for each in course.standings(vault)
    ]
    return (("imports/imports.json", (orjson.dumps(told, option=orjson.OPT_INDENT_2),)),)


TABLES = (models.Import, models.ImportChunk, models.ImportReport)

ROOM = Room(
    name="connectors",
    pages=_pages,
    nav=(Nav("imports.imports", N_("Imports"), "upload", 50),),
    panel=_panel,
    on_unlock=resuming.resume,
    on_erase=uploads.erase,
    on_stop=lease.give_back,
    commands=_commands,
    files=_files,
    boxes=(
        Boxes(models.Import.box, "files", course.about_import, ("owner_id", "import_id")),
        Boxes(models.ImportChunk.box, "files", uploads.about_chunk, ("owner_id", "import_id", "n"), at_once=4),
        Boxes(models.ImportReport.box, "files", course.about_report, ("owner_id", "import_id", "n")),
    ),
)
