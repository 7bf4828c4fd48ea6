"""The command `vrm`. Heavy things are imported inside the commands that need them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vault.keyring import Keyring
    from vault.server import Server

CODE_MAILED = "A code was mailed to the address for notices. Type it on the page Settings within an hour."
NO_MAILS = "This server sends no mails (VRM_SMTP_URL), so no address for notices was kept."


class Command(click.Group):
    """`vrm`: its own commands and those of every room. An error is one sentence on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, by name."""
        return sorted({*super().list_commands(ctx), *_of_rooms()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them."""
        return super().get_command(ctx, cmd_name) or _of_rooms().get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, and turn what can be told into a sentence."""
        from vault.errors import VaultError

        try:
            return super().invoke(ctx)
        except VaultError as error:
            raise click.ClickException(error.sentence) from error


def _of_rooms() -> dict[str, click.Command]:
    from vault.app import load_rooms

    return {command.name or "": command for room in load_rooms() for command in room.commands()}


@click.command(cls=Command)
@click.version_option(package_name="vrm")
def main() -> None:
    """A personal data vault: the customer's side of customer relations."""


@main.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on.  [default: that of VRM_ISSUER]")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes.  [default: one per core]")
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True, help="Threads per process.")
def serve_command(host: str, port: int | None, workers: int | None, threads: int) -> None:
    """Serve the vault. On a new server it prints the one-time address where the first vault is set up."""
    from vault.app import build
    from vault.doctor import refuse
    from vault.metrics import begin_anew
    from vault.serving import port_of, refuse_a_taken, serve
    from vault.set_up import set_up_address
    from vault.settings import from_environment

    settings = from_environment()
    port = port or port_of(settings)
    refuse_a_taken(host, port, "--port")
    if settings.metrics_port:
        refuse_a_taken("127.0.0.1", settings.metrics_port, "VRM_METRICS_PORT")
    server = build(settings)
    for database in server.databases:
        database.keep_ballast()
    for found in refuse(server):
        click.echo(f"{found.weight:7} {found.sentence}", err=True)
    path = set_up_address(server)
    begin_anew(settings.cache_dir)
    server.stop()
    click.echo(f"Vault  {settings.issuer}")
    if path is not None:
        click.echo(f"Set up your vault here; this address works once:\n  {settings.issuer}{path}")
    serve(host, port, workers=workers, threads=threads)


@main.command("worker")
def worker_command() -> None:
    """Do what is due (mail, endings, clean-up) until interrupted. `vrm serve` does this by itself."""
    import signal
    import threading

    from vault.doctor import refuse
    from vault.logs import configure
    from vault.worker import end, run

    configure()
    stopped = threading.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda _number, _frame: stopped.set())
    with running() as server:
        refuse(server)
        thread = threading.Thread(target=run, args=(server, stopped), name="worker", daemon=True)
        thread.start()
        stopped.wait()
        end(server, stopped, thread)


@main.command("init")
@click.option("--name", prompt="What should we call you", help="Your name.")
@click.option("--handle", prompt="A short name for this vault", help="The vault's short name.")
@click.option("--notice", default="", help="E-mail address for links that stop sharing.")
@click.option("--language", type=click.Choice(["en", "cs", "id", "pl", "ro"]), default="en", help="Of the mails.")
@click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")
def init_command(name: str, handle: str, notice: str, language: str, passphrase_stdin: bool) -> None:
    """Set up a vault from the terminal and print its recovery code."""
    from vault import choices, sessions, set_up
    from vault.kit import vault_number
    from vault.strength import strength

    with running() as server:
        passphrase = read_passphrase(passphrase_stdin, confirm=True)
        judged = strength(passphrase, [name, handle, notice])
        if not judged.good:
            raise click.ClickException(judged.sentence)
        keyring = set_up.set_up(
            server,
            handle=handle,
            name=name,
            passphrase=passphrase,
            notice=notice or None,
            first=False,
            language=language,
        )
        vault = sessions.for_command(server, keyring)
        code = vault.settings["recovery"]
        choices.keep(vault, {"recovery": None})
        mails = bool(server.settings.smtp_url)
    click.echo(f"Vault number   {vault_number(keyring.owner_id)}")
    click.echo(f"Recovery code  {code}")
    if notice:
        click.echo(CODE_MAILED if mails else NO_MAILS)
    click.echo("Write both down and keep them safe: the code is shown this once, and opens your vault by itself.")


@main.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON: every finding with its code and weight.")
def doctor_command(as_json: bool) -> None:
    """Look for what would break a promise, and say so; change nothing. Exit code 1 when something must be mended."""
    import orjson

    from vault.app import load_rooms
    from vault.doctor import findings
    from vault.server import start
    from vault.settings import from_environment

    server = start(from_environment(), load_rooms(), migrate=False)
    try:
        found = findings(server)
    finally:
        server.stop()
    safe = all(each.weight == "better" for each in found)
    if as_json:
        click.echo(orjson.dumps({"safe": safe, "findings": [each._asdict() for each in found]}).decode())
    for each in found if not as_json else ():
        click.echo(f"{each.weight:7} {each.sentence}")
    if not safe:
        sys.exit(1)
    if not as_json:
        click.echo("Nothing dangerous found.")


@contextmanager
def running() -> Iterator[Server]:
    """The server of this environment, for one command."""
    from vault.app import build
    from vault.settings import from_environment

    server = build(from_environment())
    try:
        yield server
    finally:
        server.stop()


def read_passphrase(from_stdin: bool, *, confirm: bool = False, words: str = "Passphrase") -> str:
    """A passphrase from standard input (one line) or from the terminal, without showing it."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt(words, hide_input=True, confirmation_prompt=confirm, err=True))


def line_of_progress(count: int) -> None:
    """How many records have gone by, on one line that is written over."""
    click.echo(f"\r{count} records", nl=False, err=True)


def open_by_passphrase(server: Server, handle: str, *, from_stdin: bool) -> Keyring:
    """Open a vault for one command."""
    from vault import unlock

    return unlock.with_passphrase(server, handle, read_passphrase(from_stdin), address="terminal")
