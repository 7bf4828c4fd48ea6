"""Commands about grants, for whoever runs the server: names and dates only, never a value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import click


def commands() -> Iterable[click.Command]:
    """What consent adds to `vrm`."""
    return (list_grants, revoke_grant)


@click.command("grants")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
def list_grants(everything: bool) -> None:
    """List who can see something: id, vendor, until when, and whether it is paused."""
    from sqlalchemy import select

    from consent import grant_boxes
    from consent.models import Grant
    from vault.app import build
    from vault.settings import from_environment

    server = build(from_environment())
    with server.main.reading() as session:
        rows = session.execute(
            select(Grant.owner_id, Grant.grant_id, Grant.version, Grant.state, Grant.cause, Grant.label_box).order_by(
                Grant.owner_id, Grant.grant_id
            )
        ).all()
    for owner, grant, version, state, cause, box in rows:
        standing = server.keystore.standing(owner, grant)
        if not everything and (state != "live" or standing is None):
            continue
        label = grant_boxes.open_label(server, owner, grant, version, box)
        until = datetime.fromtimestamp(label["until"], UTC).date().isoformat()
        status = (standing.held or "live") if standing and state == "live" else f"ended ({cause or 'ended'})"
        click.echo(f"{grant.hex()}  {label['name']}  {', '.join(label['collections'])}  until {until}  {status}")
    server.stop()


@click.command("revoke")
@click.argument("grant")
def revoke_grant(grant: str) -> None:
    """End a grant for good. GRANT is the id that `vrm grants` shows. Needs no passphrase."""
    from sqlalchemy import select

    from consent import grants
    from consent.models import Grant
    from vault.app import build
    from vault.settings import from_environment

    try:
        wanted = bytes.fromhex(grant)
    except ValueError:
        raise click.UsageError("GRANT must be the id that `vrm grants` shows.") from None
    server = build(from_environment())
    with server.main.reading() as session:
        owners = session.scalars(select(Grant.owner_id).where(Grant.grant_id == wanted).order_by(Grant.owner_id)).all()
    if not owners:
        raise click.ClickException("There is no such grant.")
    for owner in owners:
        grants.end(server, owner, wanted, "revoked")
    click.echo("Ended. Nothing of it opens any more.")
    server.stop()
