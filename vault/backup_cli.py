"""Commands for whoever runs the server: back up, put back, and make a keystore anew when it is lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from vault.cli import read_passphrase, running

if TYPE_CHECKING:
    from vault.backup import Contents
    from vault.server import Server


def commands() -> Iterable[click.Command]:
    """What this adds to `vrm`."""
    return (backup_command, restore_command, recover_command, move_command)


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--keystore", is_flag=True, help="Back up the keystore instead. Keep it where the other backups are not.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def backup_command(file: Path, keystore: bool, passphrase_stdin: bool) -> None:
    """Write everything on this server to FILE, encrypted, while it goes on being used.

    The passphrase is one for backups, not that of a vault. Grants and sessions are in no backup of the keystore.
    """
    from vault import backup, sealed_file
    from vault.strength import strength

    kind: backup.Kind = "keystore" if keystore else "backup"
    if file.exists():
        raise click.ClickException(f"There is a file {file} already. Nothing was changed.")
    refuse_beside_the_data(file)
    passphrase = read_passphrase(passphrase_stdin, confirm=True)
    if not (judged := strength(passphrase, [])).good:
        raise click.ClickException(judged.sentence)
    with running() as server, written_whole(file) as out:
        for part in sealed_file.seal(kind, backup.parts(server, kind), passphrase):
            out.write(part)
    click.echo(f"Written and on the disk: {file}. `vrm restore --check {file}` reads it through.")


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--check", is_flag=True, help="Only read it through and say what it holds; change nothing.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def restore_command(file: Path, check: bool, passphrase_stdin: bool) -> None:
    """Put a backup back, of the databases or of the keystore, where there is none yet.

    What was ended, narrowed or changed after the backup was made stays so, as long as the keystore is the same.
    """
    from vault import backup, sealed_file
    from vault.app import load_rooms
    from vault.server import start
    from vault.settings import from_environment

    with file.open("rb") as source:
        kind: backup.Kind = "keystore" if sealed_file.is_one("keystore", source) else "backup"
        pieces = sealed_file.open_file(kind, source, read_passphrase(passphrase_stdin))
        contents = backup.look_through(pieces.parts())
        click.echo(f"A whole backup of {contents.made_at}: {sum(contents.rows.values())} rows, as they were written.")
        if check:
            return
        server = start(from_environment(), load_rooms(), migrate=False)
        try:
            _refuse_strangers(server, kind, contents)
            pieces.seek(0)
            backup.restore(server, kind, pieces.parts())
        finally:
            server.stop()
    click.echo("Put back. `vrm doctor` says whether everything is there; the next start brings it up to date.")


def _refuse_strangers(server: Server, kind: str, contents: Contents) -> None:
    """A database and a keystore that do not belong together are not put together."""
    from vault.instances import instance_of

    other = instance_of(server.main if kind == "keystore" else server.keystore.database)
    if other not in (None, contents.instance):
        what = "database" if kind == "keystore" else "keystore"
        raise click.ClickException(f"This backup belongs to another {what} than the one that is here.")
    if other is None and kind == "backup":
        click.echo("The keystore is missing: put its backup back too, or `vrm recover` if there is none.")


@click.command("recover")
@click.option("--yes", is_flag=True, help="Do not ask.")
def recover_command(yes: bool) -> None:
    """Make a new keystore when it is lost and there is no backup of it.

    Every grant and every session is over, and no passphrase opens anything. Each owner comes back with the recovery
    code and, where there is more than one vault, the vault number of her kit; then she sets a new passphrase.
    """
    from vault.app import load_rooms
    from vault.recovering import recover
    from vault.server import start
    from vault.settings import from_environment

    if not yes:
        click.confirm("End every grant and every session, and let in by recovery codes only?", abort=True)
    server = start(from_environment(), load_rooms(), migrate=False)
    try:
        owners = recover(server)
    finally:
        server.stop()
    click.echo(f"There is a new keystore for {owners} vault(s). Their owners unlock with the recovery code.")


@click.command("move")
@click.argument("url", required=False)
@click.option("--log", metavar="URL", help="Move the access log there.")
@click.option("--keystore", metavar="URL", help="Move the keystore there; to another server than the rest.")
def move_command(url: str | None, log: str | None, keystore: str | None) -> None:
    """Move the database to URL, an empty database of another engine or server, and compare every row.

    Stop `vrm serve` and `vrm worker` first. What was moved does not start again where it was.
    """
    from vault import moving
    from vault.app import load_rooms
    from vault.db import Database
    from vault.server import start
    from vault.settings import checked, from_environment

    wanted = {"main": url, "log": log, "keys": keystore}
    urls = {name: there for name, there in wanted.items() if there is not None}
    if not urls:
        raise click.UsageError("Say where to: vrm move postgresql://...")
    settings = from_environment()
    changes: dict[str, Any] = {moving.SETTINGS[name]: there for name, there in urls.items()}
    checked(replace(settings, **changes))
    server = start(settings, load_rooms(), migrate=False)
    here = {"main": server.main, "log": server.log, "keys": server.keystore.database}
    there = {name: Database(address) for name, address in urls.items()}
    try:
        rows = moving.move({name: here[name] for name in there}, there)
    finally:
        server.stop()
        for database in there.values():
            database.dispose()
    click.echo(f"Moved and compared: {sum(rows.values())} rows of {len(rows)} tables. From now on set")
    for name, address in urls.items():
        click.echo(f"  VRM_{moving.SETTINGS[name].upper()}={without_password(address)}")
    click.echo("Delete the old files when `vrm doctor` finds nothing.")


def without_password(url: str) -> str:
    """An address as it may be shown."""
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)


def refuse_beside_the_data(file: Path) -> None:
    """A backup in a folder of the databases is lost with them, and one copy of that folder would hold too much."""
    from vault.settings import file_of, from_environment

    settings = from_environment()
    for url in (settings.database_url, settings.keystore_url, settings.log_url):
        folder = file_of(url).resolve().parent
        if url.startswith("sqlite:") and folder in (file.resolve().parent, *file.resolve().parents):
            raise click.ClickException(f"{folder} holds what this is a backup of: write it to another disk.")


@contextmanager
def written_whole(file: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner can read, which is there once it is whole and on the disk, and not before.

    Until then it has a name of its own, which nobody else can have put there.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".part", dir=file.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            _give_its_name(part, file)
        finally:
            part.unlink(missing_ok=True)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _give_its_name(part: Path, file: Path) -> None:
    """Raises FileExistsError where a file has come meanwhile."""
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:  # FAT and some shares know no second name: there an empty file keeps the place
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        part.replace(file)
