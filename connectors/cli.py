"""Commands about imports."""

from __future__ import annotations

import click


@click.command("import")
def import_files() -> None:
    """Import files."""
