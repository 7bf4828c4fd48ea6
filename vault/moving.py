"""Moving databases to another engine or server: the stream of a backup, with nothing left out, and compared at the end.

What has been moved must not go on where it was, or what is ended in one place would live on in the other. So the old
database is marked first, which keeps every process from starting on it; if the move fails it is again what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

from sqlalchemy import inspect

from vault import backup
from vault.db import Database
from vault.errors import Unsafe, VaultError
from vault.instances import instance_of, rename
from vault.server import GONE, HAS_MOVED, MOVED

SETTINGS = {"main": "database_url", "log": "log_url", "keys": "keystore_url"}


class NothingHere(VaultError):
    """No server has ever started on one of them."""

    code, status = "nothing_here", 409
    sentence = "There is no vault in this database, so there is nothing to move. Is its address the right one?"


class StillOpen(VaultError):
    """Somebody else works with the database."""

    code, status = "still_open", 409
    sentence = "Something still has this database open. Stop `vrm serve` and `vrm worker` first; nothing was changed."


class NotEqual(VaultError):
    """What arrived is not what was there."""

    code, status = "not_equal", 500
    sentence = "The copy is not equal to what was there, so the old databases stay in use. Drop the new ones."


def move(here: Mapping[str, Database], there: Mapping[str, Database]) -> dict[str, int]:
    """Move databases (`main`, `log`, `keys`) to empty ones. Returns the number of rows of each table.

    Raises NothingHere, Unsafe, StillOpen, NotEqual and backup.NoRoomForIt; then the old ones are as they were.
    """
    if any(inspect(database.engine).get_table_names() for database in there.values()):
        raise backup.NoRoomForIt
    with _marked(here):
        if not all(database.kind.alone() for database in here.values()):
            raise StillOpen
        backup.put(there, "move", backup.lines_of_all(here, {"kind": "move"}))
        rows = _compared(here, there)
        for database in there.values():
            rename(database, _without_mark(_id_of(database)))
    return rows


@contextmanager
def _marked(here: Mapping[str, Database]) -> Iterator[None]:
    """From here nothing starts on them. Of a move that was cut off the mark is there already, and that is as good."""
    known = [(database, _id_of(database)) for database in here.values()]
    for database, instance in known:
        rename(database, MOVED + _without_mark(instance))
    try:
        yield
        for database, instance in known:
            rename(database, GONE + _without_mark(instance))
    except BaseException:
        for database, instance in known:
            rename(database, instance)
        raise


def _id_of(database: Database) -> bytes:
    """As it stands there. Raises NothingHere, and Unsafe for a database that lives elsewhere since."""
    known = instance_of(database)
    if known is None:
        raise NothingHere
    if known.startswith(GONE):
        raise Unsafe(HAS_MOVED)
    return known


def _without_mark(instance: bytes) -> bytes:
    return instance.removeprefix(MOVED)


def _compared(here: Mapping[str, Database], there: Mapping[str, Database]) -> dict[str, int]:
    """How many rows each table has, here and there. Raises NotEqual unless they are the same rows."""
    old, new = dict(_sums(here)), dict(_sums(there))
    if old != new:
        raise NotEqual
    return {table: count for table, (count, _sum) in old.items()}


def _sums(named: Mapping[str, Database]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Of each table the number of its rows, and the sum of their digests: engines may order text differently."""
    for name, table in backup.tables_of(named):
        count, together = 0, 0
        with named[name].reading() as session:
            for line in backup.lines_of(session, table):
                count, together = count + 1, (together + int.from_bytes(sha256(line).digest())) % (1 << 256)
        yield f"{name}.{table.name}", (count, together)
