"""Commands for taking everything along, bringing it back, and deleting a vault."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import click

from vault.cli import line_of_progress, open_by_passphrase, read_passphrase, running

TO_WRITE = click.File("wb", lazy=True)  # nothing is made or emptied before there is something to write
TO_READ = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
FORMS = click.Choice(["json", "zip", "sealed"])


def commands() -> Iterable[click.Command]:
    """What this adds to `vrm`."""
    return (export, open_encrypted, bring_everything_back, delete)


@click.command("export")
@click.option("--as", "form", type=FORMS, default="json", help="Plain JSON (default), a ZIP archive, or it encrypted.")
@click.option("--output", type=TO_WRITE, default="-", help="Where to write.  [default: standard output]")
@click.option("--handle", default="", help="The vault's short name, if there is more than one.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase, and one for the archive, a line each.")
def export(form: str, output: IO[bytes], handle: str, passphrase_stdin: bool) -> None:
    """Write everything in the vault. Only `--as sealed` is encrypted: keep the others where nobody else reads."""
    from vault import sessions
    from vault.leaving import exported

    with running() as server:
        keyring = open_by_passphrase(server, handle, from_stdin=passphrase_stdin)
        vault = sessions.for_command(server, keyring)
        chosen = ""
        if form == "sealed":
            chosen = read_passphrase(passphrase_stdin, confirm=True, words="Passphrase for the archive")
        for part in exported(vault, form, chosen, _progress()):
            output.write(part)


@click.command("open-archive")
@click.argument("file", type=TO_READ)
@click.option("--output", type=TO_WRITE, default="-", help="Where to write.  [default: standard output]")
@click.option("--passphrase-stdin", is_flag=True, help="Read the archive's passphrase from standard input.")
def open_encrypted(file: Path, output: IO[bytes], passphrase_stdin: bool) -> None:
    """Decrypt an archive: FILE, as `vrm export --as sealed` or the Export page made it. Needs no vault."""
    from vault.leaving import is_sealed, open_archive
    from vault.unpacking import NotAnArchive

    with file.open("rb") as sealed:
        if not is_sealed(sealed):
            raise NotAnArchive
        chosen = read_passphrase(passphrase_stdin, words="Passphrase of the archive")
        for piece in open_archive(sealed, chosen).parts():
            output.write(piece)


@click.command("bring-back")
@click.argument("file", type=TO_READ)
@click.option("--handle", default="", help="The vault's short name, if there is more than one.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase, and that of an encrypted archive.")
def bring_everything_back(file: Path, handle: str, passphrase_stdin: bool) -> None:
    """Take everything from the archive FILE into an empty vault. Doing it again goes on where it stopped."""
    from vault import sessions
    from vault.bringing import bring_back
    from vault.leaving import is_sealed, open_archive

    with running() as server, file.open("rb") as opened:
        keyring = open_by_passphrase(server, handle, from_stdin=passphrase_stdin)
        vault = sessions.for_command(server, keyring)
        sealed = is_sealed(opened)
        chosen = read_passphrase(passphrase_stdin, words="Passphrase of the archive") if sealed else ""
        came = bring_back(vault, open_archive(opened, chosen) if sealed else opened, _progress())
    click.echo(came.sentence)
    click.echo(f"Fingerprint  {came.fingerprint}")


@click.command("delete")
@click.option("--keep", is_flag=True, help="Take back what was asked for.")
@click.option("--handle", default="", help="The vault's short name, if there is more than one.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def delete(keep: bool, handle: str, passphrase_stdin: bool) -> None:
    """Delete a vault after a week in which that can be taken back. What others can see ends at once."""
    from vault import departure, sessions

    with running() as server:
        vault = sessions.for_command(server, open_by_passphrase(server, handle, from_stdin=passphrase_stdin))
        if keep:
            if not departure.keep(vault):
                raise click.ClickException("There is nothing to take back.")
            click.echo("It stays. What has ended stays ended.")
            return
        day = departure.ask(vault)
        click.echo(f"This vault will be deleted on {day.isoformat()}. `vrm delete --keep` takes that back until then.")
        click.echo(f"The certificate will be here: {departure.address_of(server, vault.owner_id)}")


def _progress() -> Callable[[int], None] | None:
    return line_of_progress if sys.stderr.isatty() else None
