"""Commands about grants and clients, for whoever runs the server: names and dates only, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vault.cli import running

if TYPE_CHECKING:
    from consent.chain import Verdict


def commands() -> Iterable[click.Command]:
    """What consent adds to `vrm`."""
    return (list_grants, revoke_grant, clients, renew_key, verify)


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
            label = grant_boxes.label_or_nothing(server, owner, grant, version, box)
            status = (standing.held or "live") if standing and state == "live" else f"ended ({cause or 'ended'})"
            what, until = ", ".join(label["collections"]), _day(label["until"]) if label["until"] else "?"
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
    """Forget a client. What owners have given it stays given: `vrm revoke` ends it.

    One entered by hand gets no new tokens; one with an address is fetched anew as soon as it asks again.
    """
    from consent.clients import forget

    with running() as server:
        if not forget(server, client_id):
            raise click.ClickException("There is no such client.")
    click.echo(
        "Forgotten." if "://" not in client_id else "Forgotten, until it asks again. What it was given stays given."
    )


@click.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="A JWK Set to check by, saved from jwks_uri.  [default: the key of this server]",
)
@click.option("--head", metavar="N:HEX", help="For an export: the line of a mail, which its access log has to fit.")
def verify(file: Path, keys: Path | None, head: str | None) -> None:
    """Check that a receipt, a certificate, or an export's receipts and access log, are what they were, and print it.

    Exit code 1 when they are not.
    """
    from consent import verifying

    text = file.read_bytes()
    try:
        known = _read_keys(keys) if keys else _own_keys()
        lines = _export(text, known, head) if text.lstrip()[:1] == b"{" else _receipt(text, known)
    except verifying.NotSigned as error:
        raise click.ClickException(f"Not verified. {error.reason}") from None
    for line in lines:
        click.echo("".join(each if each.isprintable() else "�" for each in line))


def _receipt(text: bytes, keys: Mapping[str, Any]) -> list[str]:
    from consent import receipts, verifying
    from vault import certificate

    try:
        signed = text.decode("ascii").strip()
    except UnicodeDecodeError:
        raise verifying.NotSigned("This is not a signed receipt.") from None
    kind = certificate if verifying.typ_of(signed) == certificate.TYPE else receipts
    said = verifying.verify(signed, keys, kind.TYPE)
    try:
        return ["Verified: it was signed with this key, and nothing in it was changed since.", *kind.in_words(said)]
    except (KeyError, TypeError, IndexError, ValueError, AttributeError):
        raise click.ClickException("It is signed, but it is no receipt that this program can read.") from None


def _export(text: bytes, keys: Mapping[str, Any], head: str | None) -> list[str]:
    import orjson

    from consent import chain, verifying

    try:
        known = [chain.Head.read(head)] if head else []
    except ValueError:
        raise click.UsageError("--head must be the line of a mail: a number, a colon, 64 letters and digits.") from None
    try:
        document = orjson.loads(text)["consent"]
        verdict = chain.read_export(document["log"], known)
        receipts = [verifying.verify(str(each), keys) for each in document["receipts"]]
    except (ValueError, KeyError, TypeError):
        raise verifying.NotSigned("This is no export with receipts and an access log that can be read.") from None
    if not verdict.whole:
        raise click.ClickException(f"Not verified. {_what_is_wrong(verdict)}")
    return [
        f"Verified: {len(receipts)} receipts, each signed with this key.",
        f"Verified: the access log, {verdict.end.number} segments without a gap. It ends with {verdict.end}",
    ]


def _what_is_wrong(verdict: Verdict) -> str:
    sentences = []
    if verdict.gaps:
        gaps = (str(gap[0]) if len(gap) == 1 else f"{gap[0]} to {gap[-1]}" for gap in verdict.gaps)
        sentences.append(f"Segments of the access log are missing: {', '.join(gaps)}.")
    if verdict.changed:
        sentences.append(f"Segments of the access log were changed: {', '.join(map(str, verdict.changed))}.")
    return " ".join(sentences)


def _read_keys(file: Path) -> Mapping[str, Any]:
    import orjson

    try:
        known = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        raise click.ClickException("Not verified. The keys cannot be read.") from None
    return known if isinstance(known, dict) else {}


def _own_keys() -> Mapping[str, Any]:
    from consent.signing import key_set

    with running() as server:
        return dict(key_set(server))


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
