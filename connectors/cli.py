"""`vrm import`. Heavy things are imported inside the command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from connectors.course import Course, Standing
    from vault.opened import OpenVault


@click.command("import")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
)
@click.option("--handle", default="", help="The vault's short name, if there is more than one.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def import_files(files: tuple[Path, ...], handle: str, passphrase_stdin: bool) -> None:
    """Import files, each recognised by what is in it. Importing one again changes nothing."""
    from vault import sessions
    from vault.cli import open_by_passphrase, running

    with running() as server:
        keyring = open_by_passphrase(server, handle, from_stdin=passphrase_stdin)
        vault = sessions.for_command(server, keyring)
        whole = [_bring_in(vault, file) for file in files]
    if not all(whole):
        sys.exit(1)


def _bring_in(vault: OpenVault, file: Path) -> bool:
    """Seal, read and report one file. Returns whether it was read to its end."""
    from connectors.course import report
    from connectors.engine import run
    from connectors.uploads import PIECE, Arriving

    with file.open("rb") as opened, Arriving(vault, file.name) as arriving:
        while piece := opened.read(PIECE):
            arriving.write(piece)
        import_id = arriving.finish()
    at = run(vault, import_id, _line_of_progress if sys.stderr.isatty() else None)
    _tell(file, at)
    for line in report(vault, import_id):
        click.echo(f"  {'refused' if line.refused else 'left out'}  {line.place}: {line.reason}")
    return at.state == "done" and not at.course.sentence


def _tell(file: Path, at: Standing) -> None:
    course = at.course
    if at.state == "refused":
        click.echo(f"{file.name}: {course.sentence}", err=True)
        return
    again = f" ({course.removed} removed by you before)" if course.removed else ""
    click.echo(
        f"{file.name}: {course.units} units: {course.new} new, {course.same} already here{again}, "
        f"{course.changed} changed, {course.left_out} left out, {course.refused} refused"
    )
    if course.sentence:
        click.echo(f"{file.name}: {course.sentence}", err=True)


def _line_of_progress(course: Course) -> None:
    share = 100 * course.bytes_done // max(1, course.size)
    end = "\r" if course.bytes_done < course.size else "\r\033[K"
    click.echo(f"\r{share:3} %  {course.units} units", nl=False, err=True)
    if end != "\r":
        click.echo(end, nl=False, err=True)
