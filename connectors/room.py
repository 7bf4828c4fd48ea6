"""What the connectors give to the house."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from connectors import course, models, resuming, uploads
from vault.errors import N_
from vault.rooms import Boxes, Nav, Room

if TYPE_CHECKING:
    import click
    from flask import Blueprint

    from vault.server import Server


def _pages(server: Server) -> Iterable[Blueprint]:
    from connectors.pages import pages

    return [pages]


def _commands() -> Iterable[click.Command]:
    from connectors import bench, cli, demo

    return (cli.import_files, demo.command, bench.command)


TABLES = (models.Import, models.ImportChunk, models.ImportReport)

ROOM = Room(
    name="connectors",
    pages=_pages,
    nav=(Nav("imports.imports", N_("Imports"), "upload", 50),),
    on_unlock=resuming.resume,
    on_erase=uploads.erase,
    commands=_commands,
    boxes=(
        Boxes(models.Import.box, "files", course.about_import, ("owner_id", "import_id")),
        Boxes(models.ImportChunk.box, "files", uploads.about_chunk, ("owner_id", "import_id", "n"), at_once=4),
        Boxes(models.ImportReport.box, "files", course.about_report, ("owner_id", "import_id", "n")),
    ),
)
