"""Bringing the three databases up to date with Alembic. Each room has its own chain for each database.

A chain's files lie in `<room>/migrations/<database>/`; rooms are taken in their order, the vault first. Migrations
expand first and contract later, so that an older process can go on while a newer one starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import inspect, text

from vault.db import Database
from vault.errors import Unsafe

if TYPE_CHECKING:
    from alembic.config import Config

ROOMS = ("vault", "consent", "connectors")


def upgrade(main: Database, log: Database, keys: Database) -> None:
    """Run what is missing; nothing when everything is there."""
    for name, database in (("keys", keys), ("main", main), ("log", log)):
        if present(database) != _heads(name):
            _run(name, database)


def up_to_date(name: str, database: Database) -> bool:
    """Is a database at the newest revision of every chain?"""
    return present(database) == _heads(name)


def standing(name: str, database: Database) -> Literal["new", "current", "behind", "ahead"]:
    """How a database stands to this program: without tables, as it needs them, older, or of a newer release."""
    here = present(database)
    if not here:
        return "new"
    if here == _heads(name):
        return "current"
    return "behind" if here <= _known(name) else "ahead"


def present(database: Database) -> frozenset[str]:
    """The newest revision of every chain that a database has come to."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return frozenset()
        return frozenset(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


@cache
def _known(name: str) -> frozenset[str]:
    from alembic.script import ScriptDirectory

    return frozenset(each.revision for each in ScriptDirectory.from_config(config(name)).walk_revisions())


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


def refuse_newer(revisions: Mapping[str, Iterable[str]]) -> None:
    """Raises Unsafe when this release does not know what one of the databases had come to."""
    if not all(_known(name).issuperset(each) for name, each in revisions.items()):
        raise Unsafe("This was made by a newer release. Install that one first; nothing was changed.")


def bring_to(name: str, database: Database, revisions: Iterable[str]) -> None:
    """Bring an empty database to what this release or an earlier one had."""
    _run(name, database, sorted(revisions, key=_room_of))  # tables of a later room refer to those of an earlier one


def _room_of(revision: str) -> int:
    room = revision.partition("_")[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


def _run(name: str, database: Database, revisions: Iterable[str] | None = None) -> None:
    from alembic import command

    made = config(name)
    heads = [f"{folder.parent.parent.name}@head" for folder in folders(name)]
    with database.writing() as connection:
        made.attributes["connection"] = connection
        for revision in heads if revisions is None else revisions:
            command.upgrade(made, revision)
