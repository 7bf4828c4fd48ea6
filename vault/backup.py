"""Backup and restore: one stream of rows, the same for every engine, taken while the vault is in use.

The boxes in it are ciphertext already; counts and days are not, so the stream is sealed as a whole. Nothing that was
taken back comes to life by a restore: what lives is the keystore's to say, and no backup of it has grants or sessions.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson
from sqlalchemy import ColumnElement, LargeBinary, MetaData, Table, inspect, select

from vault import migrations
from vault.db import AT_ONCE, Database, insert_many
from vault.errors import N_, VaultError
from vault.models import AttachmentRow, Instance, Keys, Log, Main, Pepper
from vault.settings import MEBIBYTE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

Kind = Literal["backup", "keystore"]
FORMAT = "vrm/1/backup"
WRONG = (KeyError, TypeError, ValueError, AttributeError)
TOGETHER = 4 * MEBIBYTE  # of rows in one transaction
READ_AHEAD = 16  # rows: one may hold a mebibyte; of attached files one at a time, which hold up to ten
METADATA: dict[str, MetaData] = {"main": Main.metadata, "log": Log.metadata, "keys": Keys.metadata}


class NotABackup(VaultError):
    """What was given is no backup, or is not whole. Nothing of it was taken."""

    code, status = "not_a_backup", 422
    sentence = N_("This file is not a backup, or it is damaged. Nothing was taken from it.")


class NoRoomForIt(VaultError):
    """There is something already where a backup would be put back."""

    code, status = "not_empty", 409
    sentence = N_("There is a database here already. Move its files away first; nothing was changed.")


class Place(NamedTuple):
    """A table of one of the databases, and which of its columns hold bytes."""

    database: str
    table: str
    columns: tuple[str, ...]
    binary: frozenset[int]


class Omitted(NamedTuple):
    """Rows of a table that are left out."""

    table: str
    rows: ColumnElement[bool]


# Peppers of grants and sessions are in no backup: an older one would bring back what she has ended since.
OF_THE_MOMENT = Omitted(Pepper.__tablename__, Pepper.kind != "lock")


class Contents(NamedTuple):
    """Whose backup it is, when it was made (ISO 8601), and how many rows each table has."""

    instance: bytes
    made_at: str
    rows: dict[str, int]


def parts(server: Server, kind: Kind) -> Iterator[bytes]:
    """The stream of a backup: each database as it stands at one moment, its tables so that each may refer to those
    before, its rows by their keys. The row that names the instance comes last: a restore that was cut off is none."""
    instance, made_at = (server.keystore.instance() or b"").hex(), server.clock().astimezone(UTC).isoformat()
    about = {"kind": kind, "made_at": made_at, "instance": instance}
    return lines_of_all(_databases(server, kind), about, OF_THE_MOMENT)


def lines_of_all(
    named: Mapping[str, Database], about: Mapping[str, Any], without: Omitted | None = None
) -> Iterator[bytes]:
    """The stream of any of the databases: `main`, `log`, `keys`."""
    counted = 0
    with ExitStack() as stack:
        snapshots = {name: stack.enter_context(database.reading()) for name, database in named.items()}
        revisions = {name: sorted(migrations.present(database)) for name, database in named.items()}
        yield _line({"format": FORMAT, **about, "revisions": revisions})
        for name, table in tables_of(named):
            yield _line(
                {"database": name, "table": table.name, "columns": list(table.columns.keys()), "binary": _binary(table)}
            )
            for line in lines_of(snapshots[name], table, without):
                counted += 1
                yield line
    yield _line({"end": counted})


def lines_of(snapshot: Session, table: Table, without: Omitted | None = None) -> Iterator[bytes]:
    """The rows of a table in the order of their keys."""
    chosen = select(table).order_by(*table.primary_key.columns)
    if without is not None and table.name == without.table:
        chosen = chosen.where(~without.rows)
    for row in snapshot.execute(chosen, execution_options={"yield_per": _ahead(table)}):
        yield _line([_written(value) for value in row])


def look_through(stream: Iterable[bytes]) -> Contents:
    """Read a backup to its end. Raises NotABackup."""
    lines = _lines(stream)
    contents = _contents(_head(lines))
    for place, _row in _rows(lines):
        contents.rows[place.table] = contents.rows.get(place.table, 0) + 1
    return contents


def restore(server: Server, kind: Kind, stream: Iterable[bytes]) -> None:
    """Put a backup back where there is nothing yet, as of its own release: the next start brings it up to date.

    Raises NotABackup and NoRoomForIt. Look through it first: what is found to be damaged here has been half written.
    """
    put(_databases(server, kind), kind, stream)


def put(named: Mapping[str, Database], kind: str, stream: Iterable[bytes]) -> None:
    """The same for any of the databases."""
    lines = _lines(stream)
    head = _head(lines)
    if head.get("kind") != kind or head["revisions"].keys() != named.keys():
        raise NotABackup
    if any(inspect(database.engine).get_table_names() for database in named.values()):
        raise NoRoomForIt
    migrations.refuse_newer(head["revisions"])
    for name, database in named.items():
        migrations.bring_to(name, database, head["revisions"][name])
    for place, rows in _together(_rows(lines)):
        if not _is_there(named[place.database], place):
            raise NotABackup
        with named[place.database].writing() as connection:
            insert_many(connection, place.table, place.columns, rows)


def _databases(server: Server, kind: Kind) -> dict[str, Database]:
    return {"keys": server.keystore.database} if kind == "keystore" else {"main": server.main, "log": server.log}


def tables_of(named: Iterable[str]) -> list[tuple[str, Table]]:
    """The tables of those databases so that each may refer to those before; the rows that name the instance last."""
    every = [(name, table) for name in named for table in METADATA[name].sorted_tables]
    return sorted(every, key=lambda each: each[1].name == Instance.__tablename__)


def _ahead(table: Table) -> int:
    return 1 if table.name == AttachmentRow.__tablename__ else READ_AHEAD


def _binary(table: Table) -> list[str]:
    return [column.name for column in table.columns if isinstance(column.type, LargeBinary)]


def _line(said: Any) -> bytes:
    return orjson.dumps(said) + b"\n"


def _written(value: Any) -> Any:
    return b64encode(value).decode() if isinstance(value, bytes) else value


def _lines(stream: Iterable[bytes]) -> Iterator[Any]:
    """What each line says. Raises NotABackup."""
    begun: list[bytes] = []  # put together once for each line: one may hold a whole file
    for some in stream:
        first, *more = some.split(b"\n")
        begun.append(first)
        for following in more:
            yield _said(b"".join(begun))
            begun = [following]
    if any(begun):
        raise NotABackup


def _said(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        raise NotABackup from None


def _head(lines: Iterator[Any]) -> dict[str, Any]:
    head = next(lines, None)
    if not isinstance(head, dict) or head.get("format") != FORMAT or type(head.get("revisions")) is not dict:
        raise NotABackup
    return head


def _contents(head: Mapping[str, Any]) -> Contents:
    try:
        return Contents(bytes.fromhex(head["instance"]), str(head["made_at"]), {})
    except WRONG:
        raise NotABackup from None


def _rows(lines: Iterator[Any]) -> Iterator[tuple[Place, list[Any]]]:
    """Each row and its place. Raises NotABackup where a row is of no table, or the end is not as it should be."""
    place, counted = None, 0
    for said in lines:
        if isinstance(said, list) and place is not None and len(said) == len(place.columns):
            counted += 1
            yield place, [_read(value, at in place.binary) for at, value in enumerate(said)]
        elif isinstance(said, dict) and "table" in said:
            place = _place(said)
        elif said == {"end": counted} and next(lines, None) is None:
            return
        else:
            raise NotABackup
    raise NotABackup


def _place(said: Mapping[str, Any]) -> Place:
    try:
        binary = frozenset(map(said["columns"].index, said["binary"]))
        return Place(said["database"], said["table"], tuple(said["columns"]), binary)
    except WRONG:
        raise NotABackup from None


def _read(value: Any, binary: bool) -> Any:
    try:
        return b64decode(value) if binary and value is not None else value
    except WRONG:
        raise NotABackup from None


def _together(rows: Iterator[tuple[Place, list[Any]]]) -> Iterator[tuple[Place, list[list[Any]]]]:
    """Rows of one table that are written in one transaction."""
    for place, some in groupby(rows, key=itemgetter(0)):
        together, size = list[list[Any]](), 0
        for _place, row in some:
            together.append(row)
            size += sum(len(value) for value in row if isinstance(value, bytes))
            if len(together) == AT_ONCE or size > TOGETHER:
                yield place, together
                together, size = [], 0
        if together:
            yield place, together


def _is_there(database: Database, place: Place) -> bool:
    """Is it a table of this database with these columns? Their names become part of a statement."""
    inspected = inspect(database.engine)
    return inspected.has_table(place.table) and set(place.columns) <= {
        column["name"] for column in inspected.get_columns(place.table)
    }
