"""Everything that can be done to a database with raw SQL, one thing at a time, generated from the models.

A blow has a name: the database, the table, which of its rows, the column, and the way it is spoilt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table

from tests.houses import PARTS
from vault.models import Keys, Log, Main

BASES: dict[str, Any] = {"database": Main, "log": Log, "keystore": Keys}
WAYS = ("flipped", "swapped", "another's", "doubled", "older", "emptied", "cut", "written", "huge", "negative")
WITH_OTHERS = {"swapped", "another's", "doubled"}
ROW_WAYS = ("deleted", "doubled", "older")
# Rows of one table that open different doors are struck one kind after the other.
KINDS = {
    "database.locks": ("kind", "passphrase", "recovery", "session"),
    "database.grant_locks": ("kind", "code", "access", "refresh", "link", "share"),
    "database.grants": ("state", "live", "ended"),
    "database.jobs": ("kind", "mail", "expire"),
    "database.receipts": ("kind", "consent", "end"),
    "keystore.peppers": ("kind", "lock", "session", "grant"),
    "keystore.server_keys": ("purpose", "seal", "tag", "route", "receipt"),
}


@dataclass(frozen=True)
class Blow:
    """One thing done to one table with raw SQL; to a whole row where no column is named."""

    part: str
    table: Table
    kind: str
    column: Column[Any] | None
    way: str

    @property
    def of(self) -> str:
        """The table it is done to."""
        return f"{self.part}.{self.table.name}"

    @property
    def place(self) -> str:
        """What it is done to."""
        which = f"[{self.kind}]" if self.kind else ""
        return f"{self.of}{which}" + (f".{self.column.name}" if self.column is not None else "")

    def __str__(self) -> str:
        return f"{self.place} {self.way}"


def blows() -> Iterator[Blow]:
    """All of them."""
    for part, models in BASES.items():
        for table in models.metadata.sorted_tables:
            _column, *kinds = KINDS.get(f"{part}.{table.name}", ("", ""))
            for kind in kinds:
                yield from (Blow(part, table, kind, None, way) for way in ROW_WAYS)
                for column in table.columns:
                    yield from (Blow(part, table, kind, column, way) for way in WAYS if fits(column, way))


def fits(column: Column[Any], way: str) -> bool:
    """Only numbers can be huge or negative, and something is written only where there may be nothing."""
    if way == "written":
        return bool(column.nullable)
    return way not in ("huge", "negative") or column.type.python_type is int


@dataclass(frozen=True)
class Rows:
    """Whose rows are meant, and where the same rows stand as they were before."""

    hers: bytes
    his: bytes
    before: Path
    looked_at: tuple[bytes, ...]  # permissions of hers: a living one, and one that has ended


def strike(blow: Blow, whose: Rows, there: Path) -> bool:
    """Do it to the house that stands `there`; False where there is nothing to do it to."""
    with closing(_opened(there, blow.part)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        try:
            return _row(blow, connection, whose) if blow.column is None else _column(blow, connection, whose)
        except sqlite3.IntegrityError:
            return False  # the table itself refuses it


def _opened(there: Path, part: str) -> sqlite3.Connection:
    connection = sqlite3.connect(there / PARTS[part], isolation_level=None)  # type: ignore[index]
    connection.row_factory = sqlite3.Row
    return connection


def _rows(connection: sqlite3.Connection, blow: Blow, owner: bytes, at: tuple[bytes, ...]) -> list[dict[str, Any]]:
    """Of hers, or all where nothing is anybody's; those that are looked at first, and always in the same order."""
    kind, *_kinds = KINDS.get(blow.of, ("",))
    of_hers = "owner_id = ?" if "owner_id" in blow.table.columns else "? IS NOT NULL"
    of_kind = f"{kind} = ?" if kind else "? IS NOT NULL"
    found = connection.execute(f"SELECT * FROM {blow.table.name} WHERE {of_hers} AND {of_kind}", [owner, blow.kind])
    return sorted(map(dict, found), key=partial(_place_of, at=at), reverse=blow.of == "log.accesses")


def _place_of(row: dict[str, Any], at: tuple[bytes, ...]) -> list[Any]:
    """First what somebody looks at, then by what is not drawn by lot."""
    told = [str(len(value) if isinstance(value, bytes) else value).zfill(20) for value in row.values()]
    spent = row.get("looks") == 0 or row.get("used_at") is not None
    return [spent, [each not in row.values() for each in at], row.get("number") != 2, *told]


def _row(blow: Blow, connection: sqlite3.Connection, whose: Rows) -> bool:
    found = _rows(connection, blow, whose.hers, whose.looked_at)
    keys = [column.name for column in blow.table.primary_key]
    if blow.way == "older":
        with closing(_opened(whose.before, blow.part)) as then:
            now = [tuple(row.values()) for row in found]
            older = [row for row in _rows(then, blow, whose.hers, whose.looked_at) if tuple(row.values()) not in now]
        return sum(_writes(connection, blow.table, row, "REPLACE") for row in older) > 0
    if not found:
        return False
    if blow.way == "deleted":
        values = [found[0][key] for key in keys]
        return connection.execute(f"DELETE FROM {blow.table.name} WHERE {_where(keys)}", values).rowcount > 0
    return _writes(connection, blow.table, {**found[0], keys[-1]: _beyond(found[0][keys[-1]])}, "INSERT")


def _column(blow: Blow, connection: sqlite3.Connection, whose: Rows) -> bool:
    assert blow.column is not None
    name = blow.column.name
    rows = _rows(connection, blow, whose.hers, whose.looked_at)
    found = [row for row in rows if (row[name] is None) == (blow.way == "written")]
    if not found:
        return False
    one, other = found[0], _another(blow, connection, whose, found)
    if other is None and blow.way in (*WITH_OTHERS, "older"):
        return False
    value = other[name] if other is not None else _spoilt(blow, one[name])
    done = value != one[name] and _puts(connection, blow.table, one, name, value)
    if done and blow.way in ("swapped", "another's"):
        _puts(connection, blow.table, other or {}, name, one[name])
    return done


def _another(blow: Blow, connection: sqlite3.Connection, whose: Rows, found: list[Any]) -> dict[str, Any] | None:
    """The row that a value is taken from."""
    assert blow.column is not None
    name = blow.column.name
    others = found[1:] if blow.way in WITH_OTHERS else []
    if blow.way == "another's":
        others = _rows(connection, blow, whose.his, ()) if "owner_id" in blow.table.columns else []
    if blow.way == "older":
        keys = [column.name for column in blow.table.primary_key]
        with closing(_opened(whose.before, blow.part)) as then:
            before = _rows(then, blow, whose.hers, whose.looked_at)
        others = [row for row in before if all(row[key] == found[0][key] for key in keys)]
    return next((row for row in others if row[name] not in (None, found[0][name])), None)


def _spoilt(blow: Blow, value: Any) -> Any:
    """What is put in its place."""
    assert blow.column is not None
    match blow.way:
        case "flipped":
            return _flipped(value)
        case "cut":
            return value // 2 if isinstance(value, int) else value[: len(value) // 2]
        case "huge":
            return (1 << 63) - 1
        case "negative":
            return -(1 << 62)
        case "written":
            return {int: 1, bytes: bytes(16), str: "paused"}[blow.column.type.python_type]
    return None if blow.column.nullable else type(value)()  # emptied


def _beyond(value: Any) -> Any:
    """Another of its sort, which stands behind it in any order."""
    return value + 1000 if isinstance(value, int) else b"\xff" * len(value)


def _flipped(value: Any) -> Any:
    """One bit of it; a number becomes the one before it, or it would be more or less as the hour has it even or odd."""
    if isinstance(value, int):
        return value - 1 if value else 1
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    return value[:-1] + bytes([(value or b"\0")[-1] ^ 1])


def _where(keys: list[str]) -> str:
    return " AND ".join(f"{key} = ?" for key in keys)


def _puts(connection: sqlite3.Connection, table: Table, row: dict[str, Any], name: str, value: Any) -> bool:
    keys = [column.name for column in table.primary_key]
    values = [value, *(row[key] for key in keys)]
    return connection.execute(f"UPDATE {table.name} SET {name} = ? WHERE {_where(keys)}", values).rowcount == 1


def _writes(connection: sqlite3.Connection, table: Table, row: dict[str, Any], how: str) -> bool:
    holes = ", ".join("?" * len(row))
    done = connection.execute(f"{how} INTO {table.name} ({', '.join(row)}) VALUES ({holes})", list(row.values()))
    return done.rowcount == 1
