"""`python -m connectors.demo_shop --port 8401`: serve the Bookshop until interrupted."""

from __future__ import annotations

import sys

import click

from connectors.demo_shop.serving import LoopbackServer
from connectors.demo_shop.shop import create_shop


@click.command(help="Serve the Bookshop, a practice vendor, on this computer.")
@click.option("--port", type=click.IntRange(1, 65535), default=8401, show_default=True)
@click.option("--address", help="The address in the browser.  [default: http://shop.localhost:PORT]")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address to listen on.")
def main(port: int, address: str | None, host: str) -> None:
    address = address or f"http://shop.localhost:{port}"
    try:
        server = LoopbackServer(create_shop(address), port, host)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError:
        click.echo(f"Port {port} is taken; choose another with --port.", err=True)
        sys.exit(1)
    click.echo(f"Bookshop  {address}")
    try:
        server.serve()
    except KeyboardInterrupt:
        click.echo("Closed.")


if __name__ == "__main__":
    main(prog_name="python -m connectors.demo_shop")
