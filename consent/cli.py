"""Commands about grants and clients, for whoever runs the server: names and dates only, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vault.server import Server


def commands() -> Iterable[click.Command]:
    """What consent adds to `vrm`."""
    return (list_grants, revoke_grant, clients)


@click.command("grants")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
def list_grants(everything: bool) -> None:
    """List who can see something: id, vendor, until when, and whether it is paused."""
    from sqlalchemy import select

    from consent import grant_boxes
    from consent.models import Grant

    columns = (Grant.owner_id, Grant.grant_id, Grant.version, Grant.state, Grant.cause, Grant.label_box)
    with _server() as server:
        with server.main.reading() as session:
            rows = session.execute(select(*columns).order_by(Grant.owner_id, Grant.grant_id)).all()
        for owner, grant, version, state, cause, box in rows:
            standing = server.keystore.standing(owner, grant)
            if not everything and (state != "live" or standing is None):
                continue
            label = grant_boxes.open_label(server, owner, grant, version, box)
            until = datetime.fromtimestamp(label["until"], UTC).date().isoformat()
            status = (standing.held or "live") if standing and state == "live" else f"ended ({cause or 'ended'})"
            click.echo(f"{grant.hex()}  {label['name']}  {', '.join(label['collections'])}  until {until}  {status}")


@click.command("revoke")
@click.argument("grant")
def revoke_grant(grant: str) -> None:
    """End a grant for good. GRANT is the id that `vrm grants` shows. Needs no passphrase."""
    from sqlalchemy import select

    from consent import grants
    from consent.models import Grant

    try:
        wanted = bytes.fromhex(grant)
    except ValueError:
        raise click.UsageError("GRANT must be the id that `vrm grants` shows.") from None
    this = select(Grant.owner_id).where(Grant.grant_id == wanted).order_by(Grant.owner_id)
    with _server() as server:
        with server.main.reading() as session:
            owners = session.scalars(this).all()
        if not owners:
            raise click.ClickException("There is no such grant.")
        for owner in owners:
            grants.end(server, owner, wanted, "revoked")
    click.echo("Ended. Nothing of it opens any more.")


@click.group("clients", no_args_is_help=True)
def clients() -> None:
    """Programs of vendors: list them, register one that has no address of its own, or forget one."""


@clients.command("list")
def list_clients() -> None:
    """Every client this server knows, and how it came to know it."""
    from consent.clients import everyone

    with _server() as server:
        for client, until in everyone(server):
            day = datetime.fromtimestamp(min(until, 1 << 37), UTC).date().isoformat()
            click.echo(
                f"{client.client_id}  {client.name}  {f'fetched, fresh until {day}' if client.fetched else 'by hand'}"
            )


@clients.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
def add_client(file: Path) -> None:
    """Register the client in FILE: its metadata in JSON, with a short name as client_id and its keys as jwks."""
    import orjson

    from consent.clients import BadClient, register

    try:
        document = orjson.loads(file.read_bytes())
    except ValueError:
        raise click.ClickException(f"{file.name} is not JSON.") from None
    if not isinstance(document, dict):
        raise click.ClickException(f"{file.name} holds no object with a client's metadata.")
    with _server() as server:
        try:
            client = register(server, document)
        except BadClient as error:
            raise click.ClickException(f"Not registered: {error.reason}.") from None
    click.echo(f"{client.client_id}  {client.name}  registered")


@clients.command("remove")
@click.argument("client_id")
def remove_client(client_id: str) -> None:
    """Forget a client. What owners have given it stays given, but without a registration it gets no new tokens."""
    from consent.clients import forget

    with _server() as server:
        if not forget(server, client_id):
            raise click.ClickException("There is no such client.")
    click.echo("Forgotten.")


@contextmanager
def _server() -> Iterator[Server]:
    from vault.app import build
    from vault.settings import from_environment

    server = build(from_environment())
    try:
        yield server
    finally:
        server.stop()
