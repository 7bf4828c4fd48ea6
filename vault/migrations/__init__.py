"""Bringing the three databases up to date with Alembic. Each room has its own chain for each database.

A chain's files lie in `<room>/migrations/<database>/`; rooms are taken in their order, the vault first. Migrations
expand first and contract later, so that an older process can go on while a newer one starts.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from vault.db import Database

if TYPE_CHECKING:
    from alembic.config import Config

ROOMS = ("vault", "consent", "connectors")


def upgrade(main: Database, log: Database, keys: Database) -> None:
    """Run what is missing; nothing when everything is there."""
    for name, database in (("keys", keys), ("main", main), ("log", log)):
        if _present(database) != _heads(name):
            _run(name, database)


def up_to_date(name: str, database: Database) -> bool:
    """Is a database at the newest revision of every chain?"""
    return _present(database) == _heads(name)


def _present(database: Database) -> frozenset[str]:
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return frozenset()
        return frozenset(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


@cache
def _heads(name: str) -> frozenset[str]:
    from alembic.script import ScriptDirectory

    return frozenset(ScriptDirectory.from_config(config(name)).get_heads())


def config(name: str) -> Config:
    """Alembic's configuration for one database: where the chains of all rooms lie."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "newline")
    made.set_main_option("version_locations", "\n".join(str(folder) for folder in folders(name)))
    return made


def folders(name: str) -> list[Path]:
    """The folders with a database's migrations, room by room."""
    found = []
    for room in ROOMS:
        spec = find_spec(room)
        if spec is not None and spec.origin is not None:
            found.append(Path(spec.origin).parent / "migrations" / name)
    return [folder for folder in found if folder.is_dir()]


def _run(name: str, database: Database) -> None:
    from alembic import command

    made = config(name)
    with database.writing() as connection:
        made.attributes["connection"] = connection
        for folder in folders(name):
            command.upgrade(made, f"{folder.parent.parent.name}@head")
