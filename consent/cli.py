"""Commands about grants and clients, for whoever runs the server: names and dates only, never a value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from vault.cli import running


def commands() -> Iterable[click.Command]:
    """What consent adds to `vrm`."""
    return (list_grants, revoke_grant, clients, renew_key, verify_receipt)


@click.command("grants")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
def list_grants(everything: bool) -> None:
    """List who can see something: id, vendor, until when, and whether it is paused."""
    from sqlalchemy import select

    from consent import grant_boxes
    from consent.models import Grant

    columns = (Grant.owner_id, Grant.grant_id, Grant.version, Grant.state, Grant.cause, Grant.label_box)
    with running() as server:
        with server.main.reading() as session:
            rows = session.execute(select(*columns).order_by(Grant.owner_id, Grant.grant_id)).all()
        for owner, grant, version, state, cause, box in rows:
            standing = server.keystore.standing(owner, grant)
            if not everything and (state != "live" or standing is None):
                continue
            label = grant_boxes.open_label(server, owner, grant, version, box)
            status = (standing.held or "live") if standing and state == "live" else f"ended ({cause or 'ended'})"
            what, until = ", ".join(label["collections"]), _day(label["until"])
            click.echo(f"{grant.hex()}  {label['name']}  {what}  until {until}  {status}")


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
    with running() as server:
        with server.main.reading() as session:
            owners = session.scalars(this).all()
        if not owners:
            raise click.ClickException("There is no such grant.")
        for owner in owners:
            grants.end(server, owner, wanted, "revoked")
    click.echo("Ended. Nothing of it opens any more.")


@click.command("renew-key")
def renew_key() -> None:
    """Sign notices with a new key. The one before goes on beside it until the next time: after a theft, renew twice."""
    with running() as server:
        server.keystore.renew("notice")
    click.echo("Renewed. Vendors find the new key at /oauth/keys; nothing has to be started again.")


@click.group("clients", no_args_is_help=True)
def clients() -> None:
    """Programs of vendors: list them, register one that has no address of its own, or forget one."""


@clients.command("list")
def list_clients() -> None:
    """Every client this server knows, and how it came to know it."""
    from consent.clients import everyone

    with running() as server:
        for client, until in everyone(server):
            how = f"fetched, fresh until {_day(until)}" if client.fetched else "by hand"
            click.echo(f"{client.client_id}  {client.name}  {how}")


@clients.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
def add_client(file: Path) -> None:
    """Register the client in FILE: its metadata in JSON, with a short name as client_id and its keys as jwks."""
    import orjson

    from consent.client_documents import BadClient
    from consent.clients import register

    try:
        document = orjson.loads(file.read_bytes())
    except ValueError:
        raise click.ClickException(f"{file.name} is not JSON.") from None
    if not isinstance(document, dict):
        raise click.ClickException(f"{file.name} holds no object with a client's metadata.")
    with running() as server:
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

    with running() as server:
        if not forget(server, client_id):
            raise click.ClickException("There is no such client.")
    click.echo("Forgotten.")


@click.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="A JWK Set to check by, saved from jwks_uri.  [default: the key of this server]",
)
def verify_receipt(file: Path, keys: Path | None) -> None:
    """Check that the receipt or certificate in FILE is as it was signed, and print what it says. Exit code 1 if not."""
    import orjson

    from consent import receipts, verifying
    from vault import certificate

    try:
        known = orjson.loads(keys.read_bytes()) if keys else _own_keys()
        text = file.read_text("ascii").strip()
        kind = certificate if verifying.typ_of(text) == certificate.TYPE else receipts
        lines = kind.in_words(verifying.verify(text, known if isinstance(known, dict) else {}, kind.TYPE))
    except verifying.NotSigned as error:
        raise click.ClickException(f"Not verified. {error.reason}") from None
    except UnicodeDecodeError:
        raise click.ClickException("Not verified. This is not a signed receipt.") from None
    except orjson.JSONDecodeError:
        raise click.ClickException("Not verified. The keys cannot be read.") from None
    except (KeyError, TypeError, IndexError, ValueError, AttributeError):
        raise click.ClickException("It is signed, but it is no receipt that this program can read.") from None
    click.echo("Verified: it was signed with this key, and nothing in it was changed since.")
    for line in lines:
        click.echo("".join(each if each.isprintable() else "�" for each in line))


def _own_keys() -> dict[str, object]:
    from consent.signing import key_set

    with running() as server:
        return dict(key_set(server))


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
