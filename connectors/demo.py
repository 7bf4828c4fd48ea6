"""`vrm demo`: Ada's vault, a practice shop and a mailbox on this computer, ready to be tried."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

if TYPE_CHECKING:
    from flask import Flask

PASSPHRASE = "a lamp, a kettle, a map"  # noqa: S105 - the demo's, and printed by it
SECONDS = 180  # a slow machine may take one minute; until then it is told that this goes on
LOG = "vault.log"
TOLD_EVERY = 10  # seconds


@click.command("demo")
@click.option("--port", type=click.IntRange(1, 65535), default=8400, show_default=True, help="The vault's port.")
@click.option("--shop-port", type=click.IntRange(1, 65535), default=8401, show_default=True, help="The shop's port.")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Keep the demo's data here.")
@click.option("--host", default="127.0.0.1", help="A loopback address to listen on.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when everything is ready.")
def command(port: int, shop_port: int, directory: Path | None, host: str, no_browser: bool, as_json: bool) -> None:
    """Try it: Ada's vault with 18 months of purchases, and a bookshop that asks to see some of it."""
    from connectors.demo_mail import Mailbox
    from connectors.demo_shop.serving import LoopbackServer, refuse_the_open_net
    from connectors.demo_shop.shop import create_shop

    try:
        refuse_the_open_net(host)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also then, nothing it has started stays behind
    with ExitStack() as house:
        if directory is None:
            directory = Path(house.enter_context(tempfile.TemporaryDirectory(prefix="vrm-demo-")))
        shop_address = f"http://shop.localhost:{shop_port}"
        try:
            mailbox = Mailbox(viewer_port=0, host=host)
            mailbox.start()
            house.callback(mailbox.stop)
            shop_app = create_shop(shop_address)
            shop = LoopbackServer(shop_app, shop_port, host)
        except OSError:
            raise click.ClickException(f"Port {shop_port} is taken; choose another with --shop-port.") from None
        shop.start()
        house.callback(shop.stop)
        code = _furnish(directory, port, mailbox.smtp_url)
        vault = _serve(directory, host, port, mailbox.smtp_url)
        house.callback(_stop, vault)
        _wait_for(vault, f"http://{host}:{port}/readyz", directory / LOG, port)
        _ask_ahead(shop_app, directory, f"http://localhost:{port}", shop_address)
        ready = {
            "vault": f"http://localhost:{port}",
            "shop": shop_address,
            "owner": "ada",
            "passphrase": PASSPHRASE,
            "recovery_code": code,
            "mail": mailbox.address,
        }
        _say(ready, directory, as_json=as_json)
        if not no_browser:
            webbrowser.open(ready["vault"])
        try:
            vault.wait()
        except KeyboardInterrupt:
            click.echo("Closed.", err=True)


def _furnish(directory: Path, port: int, smtp_url: str) -> str:
    """Make Ada's vault, or find the one that is there. Returns the demo's recovery code."""
    from connectors.demo_life import live

    kept = directory / "demo.json"
    if kept.exists():
        return str(orjson.loads(kept.read_bytes())["recovery_code"])
    directory.mkdir(parents=True, exist_ok=True)
    code = live(directory, f"http://localhost:{port}", smtp_url, PASSPHRASE)
    kept.write_bytes(orjson.dumps({"recovery_code": code}))
    return code


def _ask_ahead(shop: Flask, directory: Path, address: str, shop_address: str) -> None:
    """The shop asks before anybody has opened a browser, so that a request waits on Ada's home page for an hour.

    Where she has changed the demo's passphrase nobody but she can put it there, and on a slow machine asking may take
    too long: then it does without.
    """
    from connectors.demo_shop.pages import ask_ahead
    from connectors.vendor_client import SharingError
    from consent import pushed, waiting
    from vault import choices, sessions, unlock
    from vault.app import load_rooms
    from vault.errors import VaultError
    from vault.server import start
    from vault.settings import in_directory

    server = start(in_directory(directory, address), load_rooms(), migrate=False)
    try:
        vault = sessions.for_command(server, unlock.with_passphrase(server, "", PASSPHRASE, address="demo"))
        if "guide" in vault.settings:
            choices.keep(vault, {"guide": {**vault.settings["guide"], "shop": shop_address}})
        request_uri, client_id = ask_ahead(shop, address)
        if (asked := pushed.find(server, request_uri, client_id)) is not None:
            pushed.opened(server, asked)
            waiting.remember(vault, request_uri, asked, "Bookshop")
    except (VaultError, SharingError):
        return
    finally:
        server.stop()


def _serve(directory: Path, host: str, port: int, smtp_url: str) -> subprocess.Popen[bytes]:
    from vault.settings import for_process, in_directory

    settings = in_directory(
        directory, f"http://localhost:{port}", smtp_url=smtp_url, mail_from="vault@localhost", sandbox=True
    )
    arguments = [sys.executable, "-m", "vault", "serve", "--host", host, "--port", str(port), "--workers", "2"]
    log = (directory / LOG).open("wb")
    return subprocess.Popen(  # noqa: S603 - our own command
        arguments, env=for_process(settings), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=_root()
    )


def _root() -> Path:
    return Path(__file__).resolve().parent.parent


def _wait_for(vault: subprocess.Popen[bytes], url: str, log: Path, port: int) -> None:
    began = told = time.monotonic()
    while vault.poll() is None and time.monotonic() < began + SECONDS:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own loopback address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        if time.monotonic() >= told + TOLD_EVERY:
            told = time.monotonic()
            click.echo(f"The vault is still starting ({told - began:.0f} s).", err=True)
    ended = vault.poll() is not None
    _stop(vault)
    if ended:
        said = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise click.ClickException(
            f"The vault did not start: {said}\nIs port {port} taken? Choose another with --port."
        )
    raise click.ClickException(f"The vault was not ready after {SECONDS} seconds. This machine has too much to do.")


def _stop(vault: subprocess.Popen[bytes]) -> None:
    if vault.poll() is None:
        vault.terminate()
        try:
            vault.wait(timeout=15)
        except subprocess.TimeoutExpired:
            vault.kill()
            vault.wait()


def _say(ready: dict[str, str], directory: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(ready).decode())
        sys.stdout.flush()
        return
    click.echo(
        f"\nAda's vault    {ready['vault']}\n"
        f"  passphrase   {ready['passphrase']}\n"
        f"Bookshop       {ready['shop']}\n"
        f"Ada's mail     {ready['mail']}\n"
        f"Data           {directory}\n\n"
        "Unlock the vault: five steps on top of its pages lead you round. Or visit the Bookshop and give it the\n"
        f"vault's address: {ready['vault']}\n"
        "This is a demo: do not keep anything real in it. Ctrl-C stops it.\n"
    )
