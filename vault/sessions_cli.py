"""The command of whoever runs the server to end sessions."""

from __future__ import annotations

import click

from vault.cli import running


@click.command("end-sessions")
@click.option("--vault", "number", help="Those of one vault, by the number on its recovery kit.")
@click.option("--all", "everybody", is_flag=True, help="Those of every vault.")
def end_sessions(number: str | None, everybody: bool) -> None:
    """End sessions: every browser has to unlock again. Nothing else changes, and no passphrase is needed."""
    from vault import sessions
    from vault.kit import owner_of

    if everybody == (number is not None):
        raise click.UsageError("Say --vault NUMBER or --all.")
    with running() as server:
        owners = server.keystore.owners()
        chosen = owners if everybody else owners & {owner_of(number or "")}
        if not chosen and not everybody:
            raise click.ClickException("There is no vault with this number here.")
        count = 0
        for owner in sorted(chosen):
            open_now = list(server.keystore.alive(owner, "session"))
            sessions.end(server, owner, open_now)
            count += len(open_now)
    click.echo(f"Sessions ended: {count}")
